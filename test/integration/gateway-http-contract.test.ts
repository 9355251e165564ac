import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { messagesPage, sessionView } from '../../src/protocol/http.ts';
import { limits } from '../../src/protocol/limits.ts';
import { ackFrame } from '../../src/protocol/live-frames.ts';
import { eventFrame } from '../../src/protocol/server-frames.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { StreamingStep } from '../helpers/streaming.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterAll(() => harness.close());

interface Asking {
  method?: string;
  body?: unknown;
  token?: string;
}

const ask = async (path: string, { token, ...asking }: Asking = {}) =>
  askJson(`${harness.http}${path}`, { ...asking, token: token ?? (await signToken()) });

async function refused(wanted: number, path: string, asking: Asking = {}) {
  const [status, code] = problemIn(await ask(path, asking));
  expect(status).toBe(wanted);
  return code;
}

describe('what is read over HTTP', () => {
  test('sessions: pages join without a gap, and each is of the shape that the protocol says [http-list] [http-pages]', async () => {
    const token = await signToken({ sub: 'lister' });
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { body } = await ask('/v1/sessions', { token, body: { title: `number ${n}` } });
      made.unshift(sessionView.parse(body).id);
    }
    const listed: string[] = [];
    let next: string | null = null;
    do {
      const before: string = next === null ? '' : `&before=${next}`;
      const { body } = await ask(`/v1/sessions?limit=2${before}`, { token });
      listed.push(
        ...z
          .array(sessionView)
          .parse(body.sessions)
          .map(({ id }) => id),
      );
      next = body.next;
    } while (next !== null);
    expect(listed).toEqual(made);
  });

  test('messages: the cursors lead to the first one, with the last_seq of one moment', async () => {
    const path = `/v1/sessions/${await harness.session()}/messages`;
    for (let n = 0; n < 5; n += 1) await ask(path, { body: { id: `m${n}`, content: `message ${n}` } });
    const read: string[] = [];
    let next: string | null = null;
    do {
      const before: string = next === null ? '' : `&before=${next}`;
      const { status, body } = await ask(`${path}?limit=2${before}`);
      expect(status).toBe(200);
      const page = messagesPage.parse(body);
      expect(page.last_seq).toBe(5);
      read.unshift(...page.messages.map(({ content }) => content));
      next = page.next;
    } while (next !== null);
    expect(read).toEqual([0, 1, 2, 3, 4].map((n) => `message ${n}`));
  });

  test('events: every frame of a turn, in the shape that the protocol says', async () => {
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.ask('hello');
    await step.open();
    step.say('hi');
    await step.close();
    const { body } = await ask(`/v1/sessions/${sessionId}/events`);
    const events = z.array(eventFrame).parse(body.events);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(body.last_seq).toBe(events.length);
    expect(events.at(-1)?.type).toBe('turn_end');
  });

  test.each(['limit=201', 'before=1', 'before=1.2.x', `before=${'1'.repeat(65)}`])(
    'a page that cannot be: %s',
    async (query) => {
      const path = `/v1/sessions/${await harness.session()}/messages?${query}`;
      expect(await refused(400, path)).toBe('validation_error');
    },
  );
});

describe('commands over HTTP', () => {
  test('a message reaches who is connected, once [http-say]', async () => {
    const sessionId = await harness.session();
    const client = await harness.connect(sessionId);
    const path = `/v1/sessions/${sessionId}/messages`;
    const first = await ask(path, { body: { id: 'm1', content: 'hello' } });
    const ack = ackFrame.parse(first.body);
    await ask(path, { body: { id: 'm1', content: 'hello' } });
    await ask(path, { body: { id: 'm2', content: 'and' } });
    await client.frame('message_saved', ({ client_message_id }) => client_message_id === 'm2');
    expect(client.of('message_saved').map(({ turn_id }) => turn_id)[0]).toBe(ack.turn_id);
    expect(client.of('message_saved').length).toBe(2);
    expect(client.breaches).toEqual([]);
  });

  test('cancel ends what waits, and says when there is nothing [http-cancel]', async () => {
    const sessionId = await harness.session();
    const path = `/v1/sessions/${sessionId}`;
    expect(await refused(404, `${path}/cancel`, { method: 'POST' })).toBe('not_found');
    const { body: ack } = await ask(`${path}/messages`, { body: { content: 'hello' } });
    const client = await harness.connect(sessionId);
    expect((await ask(`${path}/cancel`, { body: { turn_id: ack.turn_id } })).status).toBe(202);
    await client.frame('turn_end', ({ status }) => status === 'cancelled');
    expect(await refused(404, `${path}/cancel`, { body: { turn_id: 'other' } })).toBe('not_found');
  });

  test('a body cannot become another frame, nor nest without end, nor be larger than the bound', async () => {
    const path = `/v1/sessions/${await harness.session()}/messages`;
    expect((await ask(path, { body: { type: 'cancel', content: 'hello' } })).status).toBe(202);
    const nested = `{"content":"a","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(await refused(400, path, { body: nested })).toBe('validation_error');
    const content = 'x'.repeat(4 * limits.frameBytes);
    expect(await refused(413, path, { body: { content } })).toBe('validation_error');
  });
});

test('who takes no part may neither read nor write; other tenants do not learn that it exists [error-forbidden] [error-not_found] [auth-participants]', async () => {
  const path = `/v1/sessions/${await harness.session()}`;
  const mallory = await signToken({ sub: 'mallory' });
  const foreign = await signToken({ tenant: 'other' });
  for (const rest of ['', '/messages', '/events']) {
    expect(await refused(403, `${path}${rest}`, { token: mallory })).toBe('forbidden');
    expect(await refused(404, `${path}${rest}`, { token: foreign })).toBe('not_found');
  }
  for (const rest of ['/messages', '/cancel']) {
    const body = { content: 'a' };
    expect(await refused(403, `${path}${rest}`, { token: mallory, body })).toBe('forbidden');
    expect(await refused(404, `${path}${rest}`, { token: foreign, body })).toBe('not_found');
  }
});

test('404 for what is not there, 405 with what is allowed for another method [error-form]', async () => {
  expect(await refused(404, '/nothing')).toBe('not_found');
  expect(await refused(404, `/v1/sessions/${randomUUID()}`)).toBe('not_found');
  await refused(405, '/v1/sessions', { method: 'DELETE' });
  await refused(405, '/healthz', { method: 'POST' });
  const { headers } = await ask('/v1/sessions', { method: 'PUT', body: {} });
  expect(headers.get('allow')).toBe('POST, GET');
});

test('a client that goes in the middle of its body holds nothing up, also not the drain', async () => {
  const other = await openGatewayHarness();
  const path = `/v1/sessions/${await other.session()}/messages`;
  const head = `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${await signToken()}`;
  const socket = connect(other.gateway.port, '127.0.0.1');
  await new Promise<void>((written) =>
    socket.write(`${head}\r\nContent-Length: 100\r\n\r\n{"content"`, () => written()),
  );
  expect((await fetch(`${other.http}/healthz`)).status).toBe(200);
  socket.destroy();
  const startedAt = performance.now();
  await other.gateway.close({ boundMs: 20_000 });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  await other.close();
});
