import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { attachmentRef } from '../../src/protocol/frame-parts.ts';
import { createPostgresAttachments } from '../../src/store/attachment-store.ts';
import { removeUnusedAttachments } from '../../src/store/attachments.ts';
import { png, upload } from '../helpers/files.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

const maxBytes = 1024 * 1024;
let harness: GatewayHarness;
let token: string;

beforeAll(async () => {
  harness = await openGatewayHarness({
    config: {
      ATTACHMENT_BYTES: maxBytes,
      ATTACHMENT_SESSION_BYTES: maxBytes + 1_000,
    },
  });
  token = await signToken();
});
afterAll(() => harness.close());

const send = (sessionId: string, file: { type?: string; name?: string; bytes: Buffer | string }) =>
  upload(harness.http, sessionId, { token, ...file });
const fetchIt = async (id: string, as = token) =>
  fetch(`${harness.http}/v1/attachments/${id}`, { headers: { authorization: `Bearer ${as}` } });

describe('uploading', () => {
  test('bytes with their type and name come back as they were [http-upload] [http-download]', async () => {
    const sessionId = await harness.session();
    const { status, body } = await send(sessionId, { name: 'dot – "1".png', bytes: png });
    expect(status).toBe(201);
    expect(attachmentRef.parse(body)).toEqual({
      id: body.id,
      name: 'dot – "1".png',
      media_type: 'image/png',
      size: png.length,
    });
    const got = await fetchIt(body.id);
    expect(Buffer.from(await got.arrayBuffer())).toEqual(png);
    expect(Object.fromEntries(got.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-disposition': `inline; filename="dot _ _1_.png"; filename*=UTF-8''dot%20%E2%80%93%20%221%22.png`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
  });

  test('a form with one file, and a name by Content-Disposition', async () => {
    const sessionId = await harness.session();
    const address = `${harness.http}/v1/sessions/${sessionId}/attachments`;
    const form = new FormData();
    form.set('note', 'ignored');
    form.set('file', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'form.png');
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(address, { method: 'POST', headers, body: form });
    expect(await answer.json()).toMatchObject({
      name: 'form.png',
      media_type: 'image/png',
      size: png.length,
    });
    form.append('another', new Blob(['x'], { type: 'text/plain' }), 'b.txt');
    expect((await fetch(address, { method: 'POST', headers, body: form })).status).toBe(400);
    const named = await fetch(address, {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'text/plain; charset=utf-8',
        'content-disposition': `attachment; filename="x"; filename*=UTF-8''..%2Fe%C3%A9.txt`,
      },
      body: 'grüße',
    });
    expect(await named.json()).toMatchObject({ name: 'eé.txt', media_type: 'text/plain', size: 7 });
  });

  test('what a browser could run is only to be saved', async () => {
    const { body } = await send(await harness.session(), {
      type: 'text/html',
      name: 'a.html',
      bytes: '<script>alert(1)</script>',
    });
    const { headers } = await fetchIt(body.id);
    expect(headers.get('content-disposition')).toMatch(/^attachment; /);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test.each([
    ['a text that calls itself an image', 'image/png', 'not an image'],
    ['an image of another kind', 'image/jpeg', png],
    ['a type that is not taken', 'application/pdf', '%PDF-1.7'],
    ['an image that may hold scripts', 'image/svg+xml', '<svg/>'],
    ['text that is no UTF-8', 'text/plain', Buffer.from([0xff, 0xfe, 0x41])],
    ['text with NUL', 'text/plain', 'a\u0000b'],
    ['nothing', 'text/plain', ''],
    ['no type', '', 'hello'],
  ])('%s is refused [attachment-types]', async (_, type, bytes) => {
    const answer = await send(await harness.session(), { type, bytes });
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_error']);
  });

  test.each([
    ['a line break', 'text/plain\n\n<script>'],
    ['NUL', 'text/plain\u0000'],
    ['more than a type has', `text/${'x'.repeat(200)}`],
    ['no second half', 'text/'],
  ])('a type in a form with %s is refused, for it goes into a header [attachment-types]', async (_, type) => {
    const sessionId = await harness.session();
    const answer = await fetch(`${harness.http}/v1/sessions/${sessionId}/attachments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data; boundary=b' },
      body: `--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: ${type}\r\n\r\nx\r\n--b--\r\n`,
    });
    expect(answer.status).toBe(400);
  });

  test('one byte too many is 413, and the bound itself is taken [attachment-size]', async () => {
    const sessionId = await harness.session();
    const large = await send(sessionId, { type: 'text/plain', bytes: 'x'.repeat(maxBytes + 1) });
    expect([large.status, large.body.code]).toEqual([413, 'validation_error']);
    const fits = await send(sessionId, { type: 'text/plain', bytes: 'x'.repeat(maxBytes) });
    expect(fits).toMatchObject({ status: 201, body: { size: maxBytes } });
  });

  test('a body of 60 MB is answered 413 and never held in memory', async () => {
    const path = `/v1/sessions/${await harness.session()}/attachments`;
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    let highest = 0;
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain' };
      const sending = request(`${harness.http}${path}`, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      sending.on('error', reject);
      let sent = 0;
      const more = () => {
        highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
        if (sent === 60) sending.end();
        else {
          sent += 1;
          sending.write(chunk, more);
        }
      };
      more();
    });
    expect(status).toBe(413);
    expect(highest).toBeLessThan(20 * 1024 * 1024);
  });

  test('so many at once, and one more is to come again; who goes away gives the place back', async () => {
    const sessionId = await harness.session();
    const path = `${harness.http}/v1/sessions/${sessionId}/attachments`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain', 'content-length': 100 };
    const held = Array.from({ length: 8 }, () => {
      const sending = request(path, { method: 'POST', headers, agent: false });
      sending.on('error', () => sending.destroy());
      sending.write('the beginning');
      return sending;
    });
    const small = () => send(sessionId, { type: 'text/plain', bytes: 'small' });
    const uploading = async () => {
      const metrics = await (await fetch(`${harness.http}/metrics`)).text();
      return Number(/turngate_transfers\{kind="upload"\} (\d+)/.exec(metrics)?.[1]);
    };
    await until(async () => (await uploading()) === 8);
    expect((await small()).status).toBe(429);
    for (const sending of held.slice(1)) sending.destroy();
    await until(async () => (await uploading()) === 1);
    expect((await small()).status).toBe(201);
    const answered = new Promise<number | undefined>((resolve) =>
      held[0]?.on('response', (answer) => resolve(answer.resume().statusCode)),
    );
    held[0]?.end('x'.repeat(100 - 'the beginning'.length));
    expect(await answered).toBe(201);
  });

  test('one that trickles is given up', async () => {
    const slow = await openGatewayHarness({ timings: { uploadMs: 300 } });
    const path = `${slow.http}/v1/sessions/${await slow.session()}/attachments`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain', 'content-length': 100 };
    const sending = request(path, { method: 'POST', headers, agent: false });
    const answered = new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
      sending.on('error', reject);
      sending.on('response', (answer) => resolve([answer.resume().statusCode, answer.headers.connection]));
    });
    const drip = setInterval(() => sending.write('x'), 50);
    expect((await answered)[0]).toBe(408);
    clearInterval(drip);
    sending.destroy();
    await slow.close();
  });

  test('after a body that was too large the connection goes on', async () => {
    const path = `${harness.http}/v1/sessions/${await harness.session()}/attachments`;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    const post = (bytes: number) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain' };
        const sending = request(path, { method: 'POST', headers, agent }, (answer) => {
          ports.add(answer.socket.localPort);
          answer.resume().on('end', () => resolve(answer.statusCode));
        });
        sending.on('error', reject).end('x'.repeat(bytes));
      });
    const answers: (number | undefined)[] = [];
    for (const bytes of [5 * maxBytes, 10, 0, 3 * maxBytes, 20]) answers.push(await post(bytes));
    expect(answers).toEqual([413, 201, 400, 413, 201]);
    expect(ports.size).toBe(1);
    agent.destroy();
  });

  test('a session holds so much and no more [attachment-session_bytes]', async () => {
    const sessionId = await harness.session();
    expect((await send(sessionId, { type: 'text/plain', bytes: 'x'.repeat(maxBytes) })).status).toBe(201);
    const full = await send(sessionId, { type: 'text/plain', bytes: 'x'.repeat(1_001) });
    expect([full.status, full.body.code]).toEqual([409, 'conflict']);
    expect((await send(sessionId, { type: 'text/plain', bytes: 'x'.repeat(1_000) })).status).toBe(201);
  });

  test('who may not write uploads nothing; others do not see that it is there [attachment-access]', async () => {
    const sessionId = await harness.session();
    await harness.join(sessionId, 'vera', 'viewer');
    const { body } = await send(sessionId, { bytes: png });
    const [viewer, stranger, foreign] = await Promise.all([
      signToken({ sub: 'vera' }),
      signToken({ sub: 'mallory' }),
      signToken({ tenant: 'other' }),
    ]);
    const as = (who: string) => upload(harness.http, sessionId, { token: who, bytes: png });
    expect([(await as(viewer)).status, (await as(stranger)).status, (await as(foreign)).status]).toEqual([
      403, 403, 404,
    ]);
    expect((await upload(harness.http, sessionId, { token: 'none', bytes: png })).status).toBe(401);
    // Also a large one is answered, when it has been read away.
    const large = { token: 'none', type: 'text/plain', bytes: 'x'.repeat(20 * 1024 * 1024) };
    expect((await upload(harness.http, sessionId, large)).status).toBe(401);
    expect((await fetchIt(body.id, viewer)).status).toBe(200);
    expect((await fetchIt(body.id, stranger)).status).toBe(404);
    expect((await fetchIt(body.id, foreign)).status).toBe(404);
    expect((await fetchIt('none')).status).toBe(404);
    expect((await fetch(`${harness.http}/v1/attachments/${body.id}`)).status).toBe(401);
  });
});

test('what no message took goes after its time, also half uploaded; what one took stays [attachment-unused]', async () => {
  const sessionId = await harness.session();
  const store = createPostgresAttachments(harness.db);
  const used = (await send(sessionId, { bytes: png })).body;
  const unused = (await send(sessionId, { bytes: png })).body;
  const client = await harness.connect(sessionId);
  client.send({ type: 'message', id: 'm1', content: 'look', attachments: [used.id] });
  await client.frame('message_saved');
  await harness.db.query(
    `insert into attachments (id, session_id, user_id, name, media_type, size) values ('half', $1, 'alice', 'x', 'text/plain', 5)`,
    [sessionId],
  );
  const sweep = (unusedForMs: number) =>
    removeUnusedAttachments(harness.db, store, { unusedForMs, limit: 100 });
  await sweep(3_600_000);
  expect((await fetchIt(unused.id)).status).toBe(200);
  await harness.db.query(`update attachments set created_at = now() - interval '2 hours'`);
  // One worker died between the bytes and the row.
  await harness.db.query('update attachments set removing_at = now() where id = $1', [unused.id]);
  await store.delete(unused.id);
  await sweep(3_600_000);
  const { rows } = await harness.db.query('select id from attachments where session_id = $1', [sessionId]);
  expect(rows).toEqual([{ id: used.id }]);
  expect((await fetchIt(used.id)).status).toBe(200);
  expect((await fetchIt(unused.id)).status).toBe(404);
});
