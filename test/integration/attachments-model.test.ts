import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSession } from '../../src/store/sessions.ts';
import { png, upload } from '../helpers/files.ts';
import { signToken } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

let at: Whole;
const imageUrl = `data:image/png;base64,${png.toString('base64')}`;

beforeAll(async () => {
  at = await openWhole({ ATTACHMENT_MODEL_BYTES: '1000' });
});
afterAll(() => at.close());

/** Sends a message with files and answers what the model was asked. */
async function ask(
  sessionId: string,
  id: string,
  files: { type: string; name: string; bytes: Buffer | string }[],
) {
  at.model.script(() => ['seen']);
  const client = await at.connect(sessionId);
  const token = await signToken();
  const uploads = await Promise.all(files.map((file) => upload(at.http, sessionId, { token, ...file })));
  const attachments = uploads.map(({ body }) => body.id);
  client.send({ type: 'message', id, content: `question ${id}`, attachments });
  const { turn_id } = await client.frame('ack', (ack) => ack.id === id);
  await client.frame('turn_end', (end) => end.turn_id === turn_id);
  const asked = at.model.requests.at(-1)?.raw as
    | { messages: { role: string; content: unknown }[] }
    | undefined;
  return asked?.messages ?? [];
}

test('the model gets images as image parts and texts as text parts, also in later turns [attachment-model]', async () => {
  const sessionId = await at.session();
  const note = { type: 'text/markdown', name: 'note.md', bytes: '# Grüße' };
  const first = await ask(sessionId, 'one', [{ type: 'image/png', name: 'dot.png', bytes: png }, note]);
  const asked = {
    role: 'user',
    content: [
      { type: 'text', text: 'question one' },
      { type: 'image_url', image_url: { url: imageUrl } },
      { type: 'text', text: 'Attachment "note.md" (text/markdown):\n# Grüße' },
    ],
  };
  expect(first.at(-1)).toEqual(asked);
  const second = await ask(sessionId, 'two', []);
  expect(second[1]).toEqual(asked);
  expect(second.at(-1)).toEqual({ role: 'user', content: 'question two' });
});

test('the newest fill the room there is; of the others the model learns that they are there [attachment-model_bytes]', async () => {
  const sessionId = await at.session();
  const text = (name: string) => ({ type: 'text/plain', name, bytes: name.repeat(600) });
  await ask(sessionId, 'one', [text('a')]);
  const messages = await ask(sessionId, 'two', [text('b')]);
  expect(messages[1]?.content).toEqual([
    { type: 'text', text: 'question one' },
    { type: 'text', text: expect.stringMatching(/^\[Attachment "a" \(text\/plain\): left out/) },
  ]);
  expect(messages.at(-1)?.content).toEqual([
    { type: 'text', text: 'question two' },
    { type: 'text', text: `Attachment "b" (text/plain):\n${'b'.repeat(600)}` },
  ]);
});

test('a model without vision is told of images, and not sent them [attachment-vision]', async () => {
  const folder = at.config.TURNGATE_AGENTS_DIR;
  const agent = readFileSync(join(folder, 'default.yaml'), 'utf8').replace('name: default', 'name: blind');
  writeFileSync(join(folder, 'blind.yaml'), `vision: false\n${agent}`);
  const { id: sessionId } = await createSession(at.db, { tenant: 't', userId: 'alice', agent: 'blind' });
  const messages = await ask(sessionId, 'one', [{ type: 'image/png', name: 'dot.png', bytes: png }]);
  expect(messages.at(-1)?.content).toEqual([
    { type: 'text', text: 'question one' },
    { type: 'text', text: '[Attachment "dot.png" (image/png): this model reads no images.]' },
  ]);
});

test('a message that is steered into a turn brings its attachments to the next step', async () => {
  const sessionId = await at.session();
  const client = await at.connect(sessionId);
  const speaking = Promise.withResolvers<void>();
  at.model.script((_, n) => (n === first ? ['so far', { until: speaking.promise }] : ['seen']));
  const first = at.model.requests.length + 1;
  client.send({ type: 'message', id: 'one', content: 'go' });
  await client.frame('stream_delta');
  const { body } = await upload(at.http, sessionId, { token: await signToken(), bytes: png });
  client.send({ type: 'message', id: 'two', content: 'look', on_busy: 'steer', attachments: [body.id] });
  await client.frame('ack', ({ disposition }) => disposition === 'steered');
  speaking.resolve();
  await client.frame('turn_end');
  const asked = at.model.requests.at(-1)?.raw as { messages: { content: unknown }[] } | undefined;
  expect(asked?.messages.at(-1)?.content).toEqual([
    { type: 'text', text: 'look' },
    { type: 'image_url', image_url: { url: imageUrl } },
  ]);
  expect(client.breaches).toEqual([]);
});

test('a worker removes what no message took in time', async () => {
  const sessionId = await at.session();
  const token = await signToken();
  const { body } = await upload(at.http, sessionId, { token, bytes: png });
  const address = `${at.http}/v1/attachments/${body.id}`;
  const look = async () => (await fetch(address, { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await look()).toBe(200);
  // A worker looks as soon as it starts.
  const worker = await at.startWorker({ ATTACHMENT_UNUSED_MS: '1' });
  await until(async () => (await look()) === 404);
  await worker.close();
});
