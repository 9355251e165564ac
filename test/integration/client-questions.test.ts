import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client, Session } from '../../src/client/index.ts';
import { type GatewayHarness, until } from '../helpers/gateway.ts';
import { ask, colourSchema } from '../helpers/questions.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import type { Wire } from '../helpers/wire.ts';
import { openWiredClient, type WiredClient } from '../helpers/wired-client.ts';

let at: GatewayHarness;
let wire: Wire;
let client: Client;
let closing: WiredClient['closing'];
let close: WiredClient['close'];

beforeAll(async () => {
  ({ at, wire, client, closing, close } = await openWiredClient());
});
afterAll(() => close());

/** A session in which a turn runs and has a question. */
async function question(message = 'Which colour?') {
  const sessionId = await at.session();
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await step.ask('go');
  await step.open();
  const { rows } = await at.db.query<{ id: string }>('select id from turns where session_id = $1', [
    sessionId,
  ]);
  const turnId = rows[0]?.id ?? '';
  const { requestId } = await ask(at.db, { sessionId, turnId, message });
  return { sessionId, turnId, requestId };
}

async function opened(sessionId: string): Promise<Session> {
  const session = client.session(sessionId);
  closing.push(session);
  await until(() => session.getSnapshot().connection.kind === 'open');
  return session;
}

test('a question is shown, and its answer is sent until it is there, over a cut', async () => {
  const { sessionId, requestId } = await question();
  const session = await opened(sessionId);
  expect(session.getSnapshot().inputs).toMatchObject([
    { request_id: requestId, message: 'Which colour?', schema: colourSchema },
  ]);
  const wrong = session.answer(requestId, { action: 'accept', content: { colour: 'green' } });
  await expect(wrong).rejects.toMatchObject({ code: 'validation_error' });
  expect(session.getSnapshot().queue).toEqual([]);
  wire.cut();
  await until(() => session.getSnapshot().connection.kind === 'waiting');
  const answered = session.answer(requestId, { action: 'accept', content: { colour: 'red' } });
  expect(session.getSnapshot().queue).toMatchObject([{ kind: 'answer', requestId, status: 'sending' }]);
  wire.mend();
  expect(await answered).toMatchObject({ disposition: 'recorded', input: { action: 'accept' } });
  await until(() => session.getSnapshot().inputs.length === 0);
  expect(session.getSnapshot()).toMatchObject({
    queue: [],
    resolvedInputs: [
      {
        action: 'accept',
        content: { colour: 'red' },
        request: { request_id: requestId, message: 'Which colour?' },
      },
    ],
  });
  const late = await session.answer(requestId, { action: 'decline' });
  expect(late).toMatchObject({ disposition: 'conflict', input: { action: 'accept' } });
  expect(session.getSnapshot().queue).toEqual([]);
});

test('the feed has what waits already and what comes, and answers it', async () => {
  const before = await question('Before?');
  const feed = client.feed();
  closing.push(feed);
  const waiting = () => feed.getSnapshot().inputs.filter(({ sessionId }) => mine.includes(sessionId));
  const mine = [before.sessionId];
  await until(() => waiting().length === 1);
  expect(waiting()).toMatchObject([
    { requestId: before.requestId, turnId: before.turnId, kind: 'elicitation', message: 'Before?' },
  ]);
  await until(() => feed.getSnapshot().connection.kind === 'open');
  const after = await question('After?');
  mine.push(after.sessionId);
  await until(() => waiting().length === 2);
  expect(waiting().map(({ message }) => message)).toEqual(['Before?', 'After?']);
  expect(await feed.answer(before.requestId, { action: 'decline' })).toMatchObject({
    disposition: 'recorded',
  });
  await until(() => waiting().length === 1);
  const { inputs } = await client.inputs.list({ status: 'pending', limit: 50 });
  expect(inputs.map(({ request_id }) => request_id)).toContain(after.requestId);
  const content = { colour: 'blue', size: 3 };
  await client.inputs.answer(after.requestId, { action: 'accept', content });
  await until(() => waiting().length === 0);
  await expect(client.inputs.answer(after.requestId, { action: 'cancel' })).rejects.toMatchObject({
    code: 'conflict',
  });
});
