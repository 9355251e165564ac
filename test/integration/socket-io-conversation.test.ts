import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { openGateway, type RunningGateway } from '../../src/cli/gateway.ts';
import { readConfig } from '../../src/config/config.ts';
import { signToken } from '../helpers/gateway.ts';
import type { Piece, Reply } from '../helpers/scripted-model.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { until } from '../helpers/until.ts';

const secret = 'a secret for tests of conversations';
let at: TurnHarness;
let gateway: RunningGateway;
let token: string;
let sessionId: string;
let socketIo: SocketIoTestClient;
let native: SessionClient;

beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker();
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  gateway = await openGateway(readConfig({ ...at.env, JWT_SECRET: secret, GATEWAY_PORT: '0' }), logger);
  token = await signToken({}, { secret });
});
beforeEach(async () => {
  sessionId = await at.session();
  native = new SessionClient(`ws://127.0.0.1:${gateway.port}/v1/sessions/${sessionId}/ws`, { token });
  await native.frame('welcome');
  const auth = { token, sessions: { [sessionId]: 0 } };
  socketIo = new SocketIoTestClient(`http://127.0.0.1:${gateway.port}`, { auth });
  await socketIo.event('session_joined');
});
afterEach(() => {
  socketIo.close();
  native.terminate();
  expect(socketIo.breaches).toEqual([]);
  expect(native.breaches).toEqual([]);
});
afterAll(async () => {
  await gateway.close();
  await at.close();
});

const effect = (text: string) => ({ toolCall: { name: 'test__effect', arguments: { text, wait_ms: 0 } } });

/** Says the first, and once a tool has answered, the second. */
function script(first: Piece[], second: Piece[]): void {
  at.model.script((request): Reply => (request.messages.at(-1)?.role === 'tool' ? second : first));
}

/** Waits until both have seen `turns` ends, then compares all that was said and done. */
async function expectSame(turns: number): Promise<void> {
  await until(() => native.of('turn_end').length === turns, 30_000);
  await until(() => socketIo.of('conversation_complete').length === turns);
  const said = native.of('stream_end').filter(({ content }) => content !== '');
  expect(
    socketIo.of('agent_response_chunk').flatMap(({ id, content, final }) => (final ? [[id, content]] : [])),
  ).toEqual(said.map(({ message_id, content }) => [message_id, content]));
  const calls = new Map(native.of('tool_call').map((call) => [call.tool_call_id, call]));
  expect(
    socketIo
      .of('tool_call_start')
      .map(({ id, tool_name, tool_args, seq }) => ({ id, tool_name, tool_args, seq })),
  ).toEqual(
    native.of('tool_started').map(({ tool_call_id: id, seq }) => {
      const call = calls.get(id);
      return { id, tool_name: call?.tool, tool_args: call?.arguments, seq };
    }),
  );
  expect(
    socketIo
      .of('tool_call_result')
      .map(({ id, tool_name, tool_result, status, seq }) => ({ id, tool_name, tool_result, status, seq })),
  ).toEqual(
    native.of('tool_result').map(({ tool_call_id: id, result, status, seq }) => {
      return { id, tool_name: calls.get(id)?.tool, tool_result: result, status, seq };
    }),
  );
  expect(socketIo.of('message_saved').map(({ content, seq }) => [content, seq])).toEqual(
    native.of('message_saved').map(({ content, seq }) => [content, seq]),
  );
  expect(socketIo.of('conversation_complete').map(({ id, status }) => [id, status])).toEqual(
    native.of('turn_end').map(({ turn_id, status }) => [turn_id, status]),
  );
}

test('a Socket.IO client and a native one see the same conversation, whoever speaks and decides [sio-same] [sio-decide] [sio-tool_call_start] [sio-native_names]', async () => {
  script(
    [{ thought: 'A tool is needed. ' }, 'I will ', 'do that.', effect('both see it')],
    ['It is ', 'done.'],
  );
  const ack = await socketIo.ask('user_message', { content: 'do it', session_id: sessionId, id: 'm1' });
  expect(ack).toMatchObject({ id: 'm1', disposition: 'started', session_id: sessionId });
  const asked = await socketIo.event('tool_approval_request');
  const { type: _, ...frame } = await native.frame('tool_approval_request');
  expect(asked).toEqual(frame);
  const decision = { tool_call_id: asked.tool_call_id, arguments_hash: asked.arguments_hash, approved: true };
  expect(await socketIo.ask('tool_approval', decision)).toMatchObject({ disposition: 'recorded' });
  expect(await socketIo.event('tool_approval_resolved')).toMatchObject({ decision: 'approved', by: 'alice' });
  const { rows: onRecord } = await at.db.query(
    `select via, address from approval_audit where tool_call_id = $1 and action = 'approved'`,
    [asked.tool_call_id],
  );
  expect(onRecord).toEqual([{ via: 'socket_io', address: '127.0.0.1' }]);
  await expectSame(1);
  expect(socketIo.of('agent_thought').find(({ kind }) => kind === 'reasoning')).toMatchObject({
    content: 'A tool is needed. ',
  });
  expect(socketIo.of('agent_thought').find(({ kind }) => kind === 'tool_choice')?.content).toContain(
    'test.effect',
  );
  expect(socketIo.of('agent_status').map(({ status }) => status)).toContain('waiting_approval');

  native.send({ type: 'message', id: 'm2', content: 'again' });
  const next = await native.frame(
    'tool_approval_request',
    ({ tool_call_id }) => tool_call_id !== asked.tool_call_id,
  );
  await socketIo.ask('tool_approval', {
    tool_call_id: next.tool_call_id,
    approved: false,
    reason: 'not now',
  });
  await expectSame(2);
  expect(socketIo.of('tool_call_result').at(-1)).toMatchObject({ status: 'rejected' });
  // A rejection is no failure.
  expect(socketIo.of('tool_error')).toEqual([]);
  expect(at.effects().filter(({ text }) => text === 'both see it').length).toBe(1);
});

test('a tool that is denied is an error and then a result; a failed turn says why before it ends [sio-tool_error] [sio-tool_call_result] [sio-complete]', async () => {
  script([{ toolCall: { name: 'test__fail', arguments: {} } }], ['It may not.']);
  await socketIo.ask('user_message', { content: 'fail', session_id: sessionId });
  await expectSame(1);
  expect(await socketIo.event('tool_error')).toMatchObject({ error: 'tool_error', session_id: sessionId });
  at.model.script(() => ({ status: 401, message: 'no such key' }));
  await socketIo.ask('user_message', { content: 'and again', session_id: sessionId });
  await expectSame(2);
  const end = socketIo.of('conversation_complete').at(-1);
  expect(end).toMatchObject({ status: 'failed', error: { code: 'model_error' } });
  expect(socketIo.of('error').at(-1)).toMatchObject({ type: 'processing_error', code: 'model_error' });
});

test('cancel stops the turn, and what was said stays', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  at.model.script(() => ['So far ', { until: held }, 'and no further']);
  await socketIo.ask('user_message', { content: 'talk', session_id: sessionId });
  await until(() => socketIo.of('agent_response_chunk').some(({ content }) => content === 'So far '));
  const { turn_id } = await socketIo.ask('cancel', { session_id: sessionId });
  expect(turn_id).toBe((await native.frame('turn_started')).turn_id);
  await expectSame(1);
  release();
  expect(socketIo.of('conversation_complete').at(-1)?.status).toBe('cancelled');
  expect(socketIo.of('agent_response_chunk').at(-1)).toMatchObject({ content: 'So far ', final: true });
});
