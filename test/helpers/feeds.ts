import type { FeedFrame } from '../../src/protocol/feed-frames.ts';
import type { ProposedCall } from '../../src/store/step-close.ts';
import { type GatewayHarness, signToken } from './gateway.ts';
import { seatParticipants } from './participants.ts';
import type { ConnectOptions, SessionClient } from './session-client.ts';
import { gatedCall, StreamingStep } from './streaming.ts';

export async function feedOf(
  at: GatewayHarness,
  user: string,
  options: { lastSeq?: number; query?: Record<string, string> } & ConnectOptions = {},
): Promise<SessionClient> {
  const { lastSeq, ...rest } = options;
  const query = { ...(lastSeq === undefined ? {} : { last_seq: String(lastSeq) }), ...rest.query };
  const client = await at.dialFeed({ ...rest, query, token: await signToken({ sub: user }) });
  await client.frame('welcome');
  return client;
}

export const items = (client: SessionClient) =>
  client.frames.filter((frame): frame is FeedFrame => 'session_seq' in frame);

/** Until everything that was sent to it before has arrived. */
export async function barrier(client: SessionClient): Promise<void> {
  const id = crypto.randomUUID();
  client.send({ type: 'ping', id });
  await client.frame('pong', (pong) => pong.id === id);
}

/** A session of this user's, in which alice says what the tests need to be said. */
export async function sessionOf(at: GatewayHarness, user: string): Promise<string> {
  const sessionId = await at.session(user);
  await seatParticipants(at.db, sessionId, { alice: 'member' });
  return sessionId;
}

/** A call in a session of alice's, or that she takes part in, waits for an approval. */
export async function callIn(
  at: GatewayHarness,
  sessionId: string,
): Promise<{ step: StreamingStep; call: ProposedCall }> {
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await step.ask('do it');
  await step.open();
  const call = { ...gatedCall(), timeoutMs: 60_000 };
  await step.close({ calls: [call] });
  return { step, call };
}
