import { argumentsHash, type ToolDefinition, toolHash } from '../../src/gate/hashes.ts';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { GateLevel, GateTerms } from '../../src/protocol/gate-terms.ts';
import type { GatewayHarness } from './gateway.ts';
import { seatParticipants } from './participants.ts';
import { gatedCall, StreamingStep } from './streaming.ts';

/** The tool that waits in {@link waitingCall}: it takes `to`, a string, and perhaps `text`. */
export const mailTool: ToolDefinition = {
  name: 'office.send_mail',
  server: 'office',
  description: 'Sends a mail. It cannot be called back.',
  inputSchema: {
    type: 'object',
    properties: { to: { type: 'string' }, text: { type: 'string' } },
    required: ['to'],
    additionalProperties: false,
  },
};

export interface WaitingCall {
  sessionId: string;
  toolCallId: string;
  argumentsHash: string;
  step: StreamingStep;
}

/** A session of alice's, perhaps with others, in which a call of hers waits by the terms of a rule. */
export async function waitingCall(
  harness: Pick<GatewayHarness, 'db' | 'worker' | 'session'>,
  options: {
    people?: Record<string, ParticipantRole>;
    arguments?: Record<string, unknown>;
    levels?: Partial<GateLevel>[];
    remember?: GateTerms['remember'];
    /** `allow`: it waits for nobody. */
    gate?: 'ask' | 'allow';
  } = {},
): Promise<WaitingCall> {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, options.people ?? {});
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('do it');
  await step.open();
  const call = gatedCall();
  const [usual] = call.terms?.levels ?? [];
  const levels = (options.levels ?? [{}]).flatMap((level) => (usual ? [{ ...usual, ...level }] : []));
  const args = options.arguments ?? { to: 'bob@example.com' };
  const hash = argumentsHash(args);
  const asked = {
    ...call,
    ...{ arguments: args, argumentsHash: hash, definition: mailTool, toolHash: toolHash(mailTool) },
    ...{ rule: 'big-mails', gate: options.gate ?? 'ask' },
    terms: { rule: 'big-mails', levels, remember: options.remember ?? 'once' },
  };
  await step.close({ calls: [asked] });
  return { sessionId, toolCallId: call.toolCallId, argumentsHash: hash, step };
}
