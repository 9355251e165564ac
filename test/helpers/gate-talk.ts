import type { AckFrame } from '../../src/protocol/live-frames.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import type { Asked } from './gate-harness.ts';
import type { SessionClient } from './session-client.ts';

export const waitMs = 30_000;
let count = 0;

/** Decides over the wire, by exactly what was shown, and answers the ack or the error. */
export async function say(
  client: SessionClient,
  request: Extract<ServerFrame, { type: 'tool_approval_request' }>,
  said: Record<string, unknown>,
): Promise<AckFrame | Extract<ServerFrame, { type: 'error' }>> {
  count += 1;
  const id = `d${count}`;
  const { tool_call_id, arguments_hash, tool_hash, round } = request;
  client.send({ type: 'tool_approval', id, tool_call_id, arguments_hash, tool_hash, round, ...said });
  const answers = [
    client.frame('ack', (ack) => ack.id === id, waitMs),
    client.frame('error', (error) => error.id === id, waitMs),
  ];
  return Promise.any(answers);
}

export const ended = ({ alice }: Asked) => alice.frame('turn_end', undefined, waitMs);
export const resultOf = ({ alice }: Asked) => alice.frame('tool_result', undefined, waitMs);
