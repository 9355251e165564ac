import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openGateway } from '../../src/cli/gateway.ts';
import { readConfig } from '../../src/config/config.ts';
import type { AckFrame, ErrorFrame } from '../../src/protocol/live-frames.ts';
import type { OnBusy } from '../../src/protocol/on-busy.ts';
import type { EventFrame } from '../../src/protocol/server-frames.ts';
import { signToken } from './gateway.ts';
import type { ModelCall, Piece } from './scripted-model.ts';
import { SessionClient } from './session-client.ts';
import { eventually, openTurnHarness, type TurnHarness } from './turn-harness.ts';
import { until } from './until.ts';

const secret = 'a secret for tests of busy sessions';
/** A worker may have to start first, and a killed one is missed after 8 s. */
const boundMs = 30_000;

/** A turn that is held where a test wants it; `release` lets it go on. */
export interface Held {
  turnId: string;
  /** Of the tool call that runs or waits. */
  callId: string;
  release(): void;
}

/** A session with one client on the wire. */
export interface BusySession {
  id: string;
  client: SessionClient;
  /** The requests that the model got for this session. */
  requests: ModelCall[];
  /** What it was sent with each, as lines such as `user: hello`. */
  heard(): string[][];
  /** Sends a message and waits for its ack or error. */
  say(content: string, onBusy?: OnBusy, id?: string): Promise<AckFrame | ErrorFrame>;
  /** Waits for the end of a turn. */
  end(turnId: string | undefined): Promise<Extract<EventFrame, { type: 'turn_end' }>>;
  /** The first turn, held while the model streams, having said `so far `; then come `and more` and `then`. */
  streaming(then?: Piece[]): Promise<Held>;
  /** …while the model has not said anything. */
  silent(): Promise<Held>;
  /** …in its n-th step, while the model streams; each step before called a tool. */
  lastStep(n: number): Promise<Held>;
  /** …while a tool runs that may be repeated. */
  holding(): Promise<Held>;
  /** …while a tool runs, after its approval, that may not. */
  holdingOnce(): Promise<Held>;
  /** …at a gate. */
  waiting(): Promise<Held>;
  /** `role: content` of what `GET …/messages` shows. */
  messages(): Promise<string[]>;
  call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
}

/** Gateway, worker, model and MCP server on one Temporal and one Postgres, all real. */
export interface BusyHarness {
  at: TurnHarness;
  open(config?: Record<string, unknown>): Promise<BusySession>;
  close(): Promise<void>;
}

export async function openBusyHarness(): Promise<BusyHarness> {
  const at = await openTurnHarness();
  const folder = mkdtempSync(join(tmpdir(), 'turngate-busy-'));
  const env = { ...at.env, JWT_SECRET: secret, GATEWAY_PORT: '0' };
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const gateway = await openGateway(readConfig(env), logger);
  const token = await signToken({}, { secret });
  const address = `127.0.0.1:${gateway.port}`;
  const clients: SessionClient[] = [];

  async function call(method: string, path: string, body?: unknown) {
    const answer = await fetch(`http://${address}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  return {
    at,
    async open(config = {}) {
      const created = await call('POST', '/v1/sessions', { config });
      const id = String(created.body.id);
      const client = new SessionClient(`ws://${address}/v1/sessions/${id}/ws`, { token });
      clients.push(client);
      await client.frame('welcome');
      return openSession(at, { id, client, call, folder });
    },
    async close() {
      for (const client of clients) client.terminate();
      await gateway.close();
      await at.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function openSession(
  at: TurnHarness,
  { id, client, call, folder }: Pick<BusySession, 'id' | 'client' | 'call'> & { folder: string },
): BusySession {
  const requests: ModelCall[] = [];
  /** The first requests of this session get these replies; each later one `answer <n>`. */
  const script = (replies: Iterable<Piece>[]) => {
    at.model.script((request) => {
      requests.push(request);
      return replies[requests.length - 1] ?? [`answer ${requests.length}`];
    });
  };
  const say: BusySession['say'] = async (content, onBusy, messageId = randomUUID()) => {
    const before = client.frames.length;
    const busy = onBusy === undefined ? {} : { on_busy: onBusy };
    client.send({ type: 'message', id: messageId, content, ...busy });
    return eventually(`the answer to ${content}`, async () =>
      client.frames
        .slice(before)
        .find(
          (frame): frame is AckFrame | ErrorFrame =>
            (frame.type === 'ack' || frame.type === 'error') && frame.id === messageId,
        ),
    );
  };
  const first = async (...replies: Iterable<Piece>[]): Promise<string> => {
    script(replies);
    const ack = await say('first');
    if (ack.type !== 'ack') throw new Error(`The first message was refused: ${ack.error}`);
    return String(ack.turn_id);
  };
  const speaking = async (before: Piece[][], then: Piece[]): Promise<Held> => {
    const held = Promise.withResolvers<void>();
    const turnId = await first(...before, ['so far ', { until: held.promise }, 'and more', ...then]);
    // A delta, or a snapshot in its place.
    await until(() => [...client.view.shown.values()].some(({ text }) => text.includes('so far')), boundMs);
    return { turnId, callId: '', release: held.resolve };
  };
  const holdWith = async (tool: string) => {
    const file = join(folder, randomUUID());
    const turnId = await first([{ toolCall: { name: tool, arguments: { file } } }]);
    const called = await client.frame('tool_call', (event) => event.turn_id === turnId, boundMs);
    return { turnId, callId: called.tool_call_id, file, release: () => writeFileSync(file, '') };
  };
  const running = async (held: Held & { file: string }): Promise<Held> => {
    await client.frame('tool_started', (event) => event.tool_call_id === held.callId, boundMs);
    await until(() => at.effects().some((effect) => effect.text === held.file), boundMs);
    return held;
  };
  const decide = (callId: string) =>
    client.send({ type: 'tool_approval', id: randomUUID(), tool_call_id: callId, approved: true });

  return {
    id,
    client,
    requests,
    heard: () => requests.map(linesOf),
    call,
    say,
    end: (turnId) => client.frame('turn_end', (event) => event.turn_id === turnId, boundMs),
    streaming: (then = []) => speaking([], then),
    async silent() {
      const turnId = await first([{ hang: true }]);
      await until(() => requests.length === 1, boundMs);
      return { turnId, callId: '', release: () => undefined };
    },
    lastStep: (n) => {
      const echo = { toolCall: { name: 'test__echo', arguments: { text: 'on' } } };
      return speaking(
        Array.from({ length: n - 1 }, () => [echo]),
        [],
      );
    },
    holding: async () => running(await holdWith('test__hold')),
    async holdingOnce() {
      const held = await holdWith('test__hold_effect');
      decide(held.callId);
      return running(held);
    },
    async waiting() {
      const held = await holdWith('test__hold_effect');
      await client.frame('tool_approval_request', (event) => event.tool_call_id === held.callId, boundMs);
      held.release();
      return { ...held, release: () => decide(held.callId) };
    },
    async messages() {
      const { body } = await call('GET', `/v1/sessions/${id}/messages`);
      const messages = body.messages as { role: string; content: string }[];
      return messages.map(({ role, content }) => `${role}: ${content}`);
    },
  };
}

/** What the model was sent, without the instructions; a call stands as `calls <tool>`. */
function linesOf(request: ModelCall): string[] {
  return request.messages
    .filter((message) => message.role !== 'system')
    .map((message) => {
      const calls = 'tool_calls' in message ? (message.tool_calls ?? []) : [];
      const words = calls.map((called) => `calls ${called.function.name}`);
      return [`${message.role}:`, message.content, ...words].filter(Boolean).join(' ');
    });
}
