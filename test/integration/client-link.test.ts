import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { type ConnectionState, createClient, type Session } from '../../src/client/index.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { until } from '../helpers/gateway.ts';

interface Arrived {
  socket: WebSocket;
  url: string;
  authorization: string;
  frames: { type: string; id?: string; last_seq?: number }[];
}

let server: WebSocketServer;
let arrived: Arrived[];
let token: string;
let isGone: boolean;
/** Closes before `welcome`, as for a token that is not accepted. */
let isShy: boolean;
let heartbeatMs: number;
let refused: (string | null)[];
let faults: unknown[];
let client: Session;
let got: ServerFrame[];
let states: ConnectionState[];

const welcome = {
  type: 'welcome',
  session_id: 's',
  connection_id: 'c',
  user: { id: 'u', email: null, name: null },
  last_seq: 0,
  heartbeat_ms: 30_000,
  protocol: 'turngate.v1',
};
const run = { session_id: 's', ts: 1, workflow_id: 'w', run_id: 'r' };
const event = (seq: number) => ({ type: 'turn_started', seq, turn_id: `t${seq}`, ...run });

beforeEach(async () => {
  arrived = [];
  token = 'one';
  isGone = false;
  isShy = false;
  heartbeatMs = 30_000;
  refused = [];
  faults = [];
  got = [];
  states = [];
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket, request) => {
    const protocols = String(request.headers['sec-websocket-protocol']);
    const authorization = protocols.replace(/^.*bearer\./, 'Bearer ');
    const frames: Arrived['frames'] = [];
    socket.on('message', (data) => frames.push(JSON.parse(String(data))));
    arrived.push({ socket, url: request.url ?? '', authorization, frames });
    if (!isShy) socket.send(JSON.stringify({ ...welcome, heartbeat_ms: heartbeatMs }));
  });
  await new Promise((listening) => server.once('listening', listening));
});

afterEach(async () => {
  client.close();
  for (const socket of server.clients) socket.terminate();
  await new Promise((closed) => server.close(closed));
});

function connect(lastSeq = 0): void {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  const place = `127.0.0.1:${address.port}`;
  client = createClient({
    url: `http://${place}`,
    onListenerError: (error) => faults.push(error),
    token: (why) => {
      refused.push(why.refused);
      if (isGone) throw new Error('Nothing runs here.');
      return token;
    },
  }).session('s', { lastSeq });
  client.onFrame((frame) => got.push(frame));
  client.store.subscribe(() => {
    const { connection } = client.getSnapshot();
    if (states.at(-1) !== connection) states.push(connection);
  });
}

/** The n-th connection, once it is there. */
async function connection(n: number): Promise<Arrived> {
  await until(() => arrived.length >= n);
  const found = arrived[n - 1];
  if (!found) throw new Error(`There is no connection ${n}.`);
  return found;
}
const say = (to: Arrived, ...frames: object[]) => {
  for (const frame of frames) to.socket.send(JSON.stringify(frame));
};
const seqs = () => got.flatMap((frame) => ('seq' in frame ? [frame.seq] : []));
const opened = (times: number) =>
  until(() => states.filter((state) => state.kind === 'open').length >= times);

describe('events', () => {
  test('each comes once and in order, whatever is repeated or unknown', async () => {
    connect(2);
    const first = await connection(1);
    expect([first.url, first.authorization]).toEqual(['/v1/sessions/s/ws?last_seq=2', 'Bearer one']);
    say(
      first,
      event(2),
      event(3),
      event(3),
      { type: 'later_invention', seq: 4 },
      { type: 'rumour' },
      event(5),
    );
    first.socket.send('no json');
    first.socket.send('[]');
    say(first, { type: 'ping' });
    await until(() => first.frames.length > 0);
    expect(seqs()).toEqual([3, 4, 5]);
    expect(client.getSnapshot().lastSeq).toBe(5);
    expect(first.frames).toEqual([{ type: 'pong' }]);
  });

  test('a gap is asked for once and nothing after it is taken before it is closed', async () => {
    connect();
    const first = await connection(1);
    say(first, event(1), event(4), event(5), { type: 'ping' });
    await until(() => first.frames.length === 2);
    expect(first.frames).toEqual([{ type: 'resume', last_seq: 1 }, { type: 'pong' }]);
    say(first, event(2), event(3), event(4), event(5));
    await until(() => seqs().length === 5);
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
  });
});

test('an event that is not what the protocol says is told and left out; the next ones count', async () => {
  connect();
  const first = await connection(1);
  const broken = { type: 'messages_removed', seq: 1, session_id: 's', ts: 1 };
  say(first, broken, event(2), { type: 'ping' });
  await until(() => first.frames.length === 1);
  expect(faults).toEqual([expect.any(TypeError)]);
  expect(seqs()).toEqual([2]);
  expect(first.frames).toEqual([{ type: 'pong' }]);
});

describe('a lost connection', () => {
  test('comes back after the last event, and what was not answered is sent again with its id', async () => {
    connect();
    const first = await connection(1);
    await opened(1);
    const [one, two, three] = ['a', 'b', 'c'].map((id) => client.send(id, { id }));
    say(first, event(1), { type: 'ack', id: 'a', disposition: 'started' });
    await expect(one).resolves.toMatchObject({ disposition: 'started' });
    say(first, { type: 'error', id: 'b', code: 'busy', error: 'Too many.' });
    await expect(two).rejects.toMatchObject({ code: 'busy', message: 'Too many.' });
    await until(() => first.frames.length === 3);
    expect(client.getSnapshot().queue.map((item) => item.id)).toEqual(['a', 'c']);
    first.socket.terminate();
    const second = await connection(2);
    expect(second.url).toBe('/v1/sessions/s/ws?last_seq=1');
    await until(() => second.frames.length === 1);
    expect(second.frames).toEqual([{ type: 'message', id: 'c', content: 'c' }]);
    say(second, { type: 'ack', id: 'c', disposition: 'queued' });
    await expect(three).resolves.toMatchObject({ disposition: 'queued' });
  });

  test('what is written meanwhile is sent when it is back, in order', async () => {
    connect();
    const first = await connection(1);
    await opened(1);
    first.socket.terminate();
    await until(() => states.some((state) => state.kind === 'waiting'));
    for (const id of ['a', 'b']) void client.send(id, { id });
    const second = await connection(2);
    await until(() => second.frames.length === 1);
    say(second, { type: 'ack', id: 'a' });
    await until(() => second.frames.length === 2);
    expect(second.frames.map((frame) => frame.id)).toEqual(['a', 'b']);
  });

  test('what the gateway cannot take just now is sent again, and the refusal is not shown', async () => {
    connect();
    const first = await connection(1);
    await opened(1);
    void client.send('a', { id: 'a' });
    await until(() => first.frames.length === 1);
    say(first, { type: 'error', id: 'a', code: 'unavailable', error: 'The store is away.' });
    await until(() => first.frames.length === 2);
    expect(first.frames[1]).toEqual(first.frames[0]);
    expect(got.map((frame) => frame.type)).toEqual(['welcome']);
  });

  test.each([1001, 1011, 4008, 4009, 4029])('close code %i: it reconnects', async (code) => {
    connect();
    (await connection(1)).socket.close(code, 'some reason');
    await connection(2);
    await opened(2);
    expect(states.find((state) => state.kind === 'waiting')).toMatchObject({ why: 'some reason' });
  });

  test('1012: it stays away as long as it is told', async () => {
    connect();
    const first = await connection(1);
    await opened(1);
    const before = Date.now();
    first.socket.close(1012, 'Server restarting; retry_after_ms=300');
    await connection(2);
    expect(Date.now() - before).toBeGreaterThanOrEqual(290);
    expect(states.find((state) => state.kind === 'waiting')).toMatchObject({ why: 'the gateway restarts' });
  });

  test('a connection that says nothing for one and a half heartbeats is given up', async () => {
    heartbeatMs = 100;
    connect();
    const first = await connection(1);
    await connection(2);
    expect(states.find((state) => state.kind === 'waiting')).toMatchObject({
      why: 'the gateway says nothing any more',
    });
    await until(() => first.socket.readyState === first.socket.CLOSED);
  });

  test('where nothing runs, it tries until something does', async () => {
    isGone = true;
    connect();
    await until(() => states.filter((state) => state.kind === 'waiting').length >= 2);
    expect(states).toContainEqual(expect.objectContaining({ kind: 'waiting', why: 'Nothing runs here.' }));
    isGone = false;
    await opened(1);
  });
});

describe('an end', () => {
  test.each([
    [4000, 'replaced'],
    [4003, 'forbidden'],
    [4004, 'not_found'],
    [1008, 'refused'],
  ])('close code %i: it stops and says why', async (closeCode, code) => {
    connect();
    (await connection(1)).socket.close(closeCode, 'x');
    await until(() => states.at(-1)?.kind === 'stopped');
    expect(states.at(-1)).toMatchObject({ code });
    await expect(client.send('late')).rejects.toMatchObject({ code: 'closed' });
    expect(arrived).toHaveLength(1);
  });

  test.each([4001, 4010])('close code %i: a token is asked for again, three times at most', async (code) => {
    server.on('connection', (socket) => socket.close(code, 'x'));
    isShy = true;
    connect();
    await until(() => states.at(-1)?.kind === 'stopped');
    expect(states.at(-1)).toMatchObject({ code: 'unauthorized' });
    expect(arrived).toHaveLength(3);
    expect(refused).toEqual([null, 'one', 'one']);
  });

  test('close code 4013: the largest frame is given up, and the rest goes on', async () => {
    connect();
    const first = await connection(1);
    const large = client.decide('c1', { approved: false, reason: 'x'.repeat(10_000) });
    const small = client.decide('c2', { approved: false });
    await until(() => first.frames.length === 2);
    first.socket.close(4013, 'Frame too large');
    await expect(large).rejects.toMatchObject({ code: 'too_large' });
    const second = await connection(2);
    await until(() => second.frames.length === 1);
    say(second, { type: 'ack', id: second.frames[0]?.id, disposition: 'recorded' });
    await expect(small).resolves.toMatchObject({ disposition: 'recorded' });
    await expect(client.send('x'.repeat(300_000))).rejects.toMatchObject({ code: 'too_large' });
  });

  test.each([4001, 4010])(
    'close code %i, and there is another token: it comes back with that',
    async (code) => {
      connect();
      const first = await connection(1);
      token = 'two';
      first.socket.close(code, 'x');
      expect((await connection(2)).authorization).toBe('Bearer two');
    },
  );

  test('after close it neither comes back nor says anything', async () => {
    connect();
    const first = await connection(1);
    await opened(1);
    const closed = new Promise((resolve) => first.socket.once('close', resolve));
    client.close();
    await closed;
    expect(states.at(-1)).toMatchObject({ kind: 'stopped', code: 'closed' });
    expect(arrived).toHaveLength(1);
    await expect(client.send('late')).rejects.toMatchObject({ code: 'closed' });
  });
});
