import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { png, upload } from '../helpers/files.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';

let harness: GatewayHarness;
let token: string;

beforeAll(async () => {
  harness = await openGatewayHarness({ config: { ATTACHMENTS_PER_MESSAGE: 3 } });
  token = await signToken();
});
afterAll(() => harness.close());

const send = (sessionId: string, file: { type?: string; name?: string; bytes: Buffer | string }) =>
  upload(harness.http, sessionId, { token, ...file });

describe('a message with attachments', () => {
  test('is saved with their refs, for every device and in the history [attachment-refs]', async () => {
    const sessionId = await harness.session();
    const [phone, desk] = [await harness.connect(sessionId), await harness.connect(sessionId)];
    const { body: image } = await send(sessionId, { name: 'a.png', bytes: png });
    const { body: text } = await send(sessionId, { type: 'text/plain', name: 'b.txt', bytes: 'hello' });
    const message = { type: 'message', id: 'm1', content: 'look' };
    phone.send({ ...message, attachments: [{ ...image, colour: 'blue' }, text.id, text.id] });
    await phone.frame('ack');
    for (const one of [phone, desk]) {
      expect(await one.frame('message_saved')).toMatchObject({ attachments: [image, text] });
      expect(one.breaches).toEqual([]);
    }
    const history = await fetch(`${harness.http}/v1/sessions/${sessionId}/messages`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await history.json()).toMatchObject({ messages: [{ attachments: [image, text] }] });

    phone.send({ ...message, attachments: [image.id, text.id] });
    await phone.frame('ack', (ack) => ack !== phone.of('ack')[0]);
    expect(phone.of('ack')[1]).toEqual(phone.of('ack')[0]);
    phone.send({ ...message, attachments: [text.id] });
    expect(await phone.frame('error')).toMatchObject({ code: 'conflict', id: 'm1' });
  });

  test('is refused for what is not of this session, for none, and for too many [attachment-unknown]', async () => {
    const sessionId = await harness.session();
    const client = await harness.connect(sessionId);
    const { body: foreign } = await send(await harness.session(), { bytes: png });
    for (const [at, attachments] of [[foreign.id], ['none'], ['1', '2', '3', '4'], [{}], 'x'].entries()) {
      client.send({ type: 'message', id: `m${at}`, content: 'look', attachments });
      expect(await client.frame('error', ({ id }) => id === `m${at}`)).toMatchObject({
        code: 'validation_error',
        error: expect.stringContaining('attachments'),
      });
    }
    expect(client.of('message_saved')).toEqual([]);
  });
});
