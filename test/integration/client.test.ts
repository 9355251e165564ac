import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, type Session, type SessionEvent, undecided } from '../../src/client/index.ts';
import { type GatewayHarness, until } from '../helpers/gateway.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import type { Wire } from '../helpers/wire.ts';
import { openWiredClient, type WiredClient } from '../helpers/wired-client.ts';

let at: GatewayHarness;
let wire: Wire;
let client: Client;
let closing: WiredClient['closing'];
let close: WiredClient['close'];
const errors: unknown[] = [];

beforeAll(async () => {
  ({ at, wire, client, closing, close } = await openWiredClient({
    onListenerError: (error) => errors.push(error),
  }));
});
afterAll(async () => {
  await close();
  expect(errors).toEqual([]);
});

async function open(id: string, options: Parameters<Client['session']>[1] = {}): Promise<Session> {
  const session = client.session(id, options);
  closing.push(session);
  await until(() => session.getSnapshot().connection.kind === 'open');
  return session;
}

async function answer(sessionId: string, question: string, words: string): Promise<void> {
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await step.ask(question);
  await step.open();
  step.say(words);
  await step.close();
}

const said = (session: Session) => session.getSnapshot().messages.map((message) => message.content);
const streaming = (session: Session) =>
  session.getSnapshot().messages.find((message) => message.state === 'streaming');

describe('a session', () => {
  test('shows its history, follows a stream through a cut, and has each event once', async () => {
    const id = await at.session();
    await answer(id, 'one', 'first');
    const session = await open(id);
    expect(said(session)).toEqual(['one', 'first']);
    const seen: SessionEvent[] = [];
    const reading = (async () => {
      for await (const event of session.events()) seen.push(event);
    })();
    const from = session.getSnapshot().lastSeq;
    const step = new StreamingStep(at.db, at.worker, id);
    await step.ask('two');
    await step.open();
    step.say('Hel');
    await until(() => streaming(session)?.content === 'Hel');
    wire.cut();
    await until(() => session.getSnapshot().connection.kind === 'waiting');
    step.say('lo ');
    step.say('why', { channel: 'thought' });
    await step.draft();
    wire.mend();
    await until(() => streaming(session)?.content === 'Hello ');
    expect(streaming(session)).toMatchObject({ thought: 'why', attempt: 1 });
    step.say('you');
    await until(() => streaming(session)?.content === 'Hello you');
    await step.close();
    await until(() => session.getSnapshot().turns.at(-1)?.status === 'completed');
    expect(said(session)).toEqual(['one', 'first', 'two', 'Hello you']);
    session.close();
    await reading;
    const upTo = session.getSnapshot().lastSeq;
    expect(seen.map((event) => 'seq' in event && event.seq)).toEqual(
      Array.from({ length: upTo - from }, (_, index) => from + 1 + index),
    );
  });

  test('sends while it is offline, once and in order', async () => {
    const id = await at.session();
    const session = await open(id);
    wire.cut();
    await until(() => session.getSnapshot().connection.kind === 'waiting');
    const acks = ['a', 'b', 'c'].map((text) => session.send(text, { id: text }));
    expect(session.getSnapshot().queue.map((item) => item.id)).toEqual(['a', 'b', 'c']);
    wire.mend();
    expect((await Promise.all(acks)).map((ack) => ack.disposition)).toEqual(['started', 'queued', 'queued']);
    await until(() => session.getSnapshot().queue.length === 0);
    expect(said(session)).toEqual(['a', 'b', 'c']);
    await expect(session.send('other', { id: 'a' })).rejects.toMatchObject({ code: 'conflict' });
    expect(session.getSnapshot().queue).toEqual([]);
  });

  test('decides with the hash of what is shown; the history has what waits', async () => {
    const id = await at.session();
    const step = new StreamingStep(at.db, at.worker, id);
    await step.ask('send it');
    await step.open();
    step.say('I ask.');
    const call = gatedCall();
    await step.close({ calls: [call] });
    const session = await open(id);
    expect(undecided(session.getSnapshot())).toMatchObject([
      { id: call.toolCallId, status: 'waiting_approval', tool: 'office.send_mail', arguments: { to: 'bob' } },
    ]);
    const ack = await session.decide(call.toolCallId, { approved: false, reason: 'not now' });
    expect(ack).toMatchObject({ disposition: 'recorded', decision: { decision: 'rejected' } });
    await until(() => session.getSnapshot().toolCalls[call.toolCallId]?.status === 'rejected');
    expect(session.getSnapshot().toolCalls[call.toolCallId]).toMatchObject({
      approval: null,
      decision: { by: 'alice', reason: 'not now' },
    });
    expect(undecided(session.getSnapshot())).toEqual([]);
  });

  test('reads older pages of its history, without a gap or a doubled message', async () => {
    const id = await at.session();
    for (const text of ['1', '2', '3', '4', '5']) await answer(id, text, `answer ${text}`);
    const session = await open(id, { pageMessages: 3 });
    expect(said(session)).toEqual(['answer 4', '5', 'answer 5']);
    while (await session.loadOlder());
    expect(said(session)).toEqual(['1', '2', '3', '4', '5'].flatMap((text) => [text, `answer ${text}`]));
  });

  test.each([
    ['none', 'not_found'],
    ['of somebody else', 'forbidden'],
  ])('that is %s stops and says why', async (what, code) => {
    const id = what === 'none' ? '00000000-0000-7000-8000-000000000000' : await at.session('bob');
    for (const options of [{}, { lastSeq: 0 }]) {
      const session = client.session(id, options);
      await until(() => session.getSnapshot().connection.kind === 'stopped');
      expect(session.getSnapshot().connection).toMatchObject({ code });
      await expect(session.send('hello')).rejects.toMatchObject({ code: 'closed' });
    }
  });
});
