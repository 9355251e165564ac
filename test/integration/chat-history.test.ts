import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Chat } from '../../src/cli/chat/chat.ts';
import type { Conversation } from '../../src/cli/chat/conversation.ts';
import { conversationOf } from '../../src/cli/chat/from-snapshot.ts';
import { failureOf, gatewayClient } from '../../src/cli/chat/gateway-client.ts';
import type { FindTarget } from '../../src/cli/chat/target.ts';
import type { Client } from '../../src/client/index.ts';
import { decide } from '../../src/store/decisions.ts';
import { type GatewayHarness, openGatewayHarness, signToken, until } from '../helpers/gateway.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

let at: GatewayHarness;
let findTarget: FindTarget;
let client: Client;
const chats: Chat[] = [];

beforeAll(async () => {
  at = await openGatewayHarness();
  const token = await signToken();
  findTarget = () => ({ http: at.http, ws: at.ws, token });
  client = gatewayClient(findTarget);
});
afterAll(async () => {
  for (const chat of chats) chat.close();
  await at.close();
});

async function open(sessionId: string): Promise<Chat> {
  const chat = await Chat.open({ client, findTarget, sessionId });
  chats.push(chat);
  await until(() => chat.conversation().connection.kind === 'open');
  return chat;
}

async function loadHistory(sessionId: string): Promise<{ conversation: Conversation; lastSeq: number }> {
  const session = client.session(sessionId, { pageMessages: 200 });
  await until(() => session.getSnapshot().isLoaded);
  const view = session.getSnapshot();
  session.close();
  return { conversation: conversationOf(view), lastSeq: view.lastSeq };
}

/** A turn that is over. */
async function answer(sessionId: string, question: string, words: string): Promise<void> {
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await step.ask(question);
  await step.open();
  step.say(words);
  await step.close();
}

const textsOf = ({ log }: Conversation) => log.map((item) => ('text' in item ? item.text : item.kind));

describe('the session as a chat finds it', () => {
  test('turns that are over come from their messages, and nothing is left open', async () => {
    const sessionId = await at.session();
    await answer(sessionId, 'one', 'first');
    await answer(sessionId, 'two', 'second');
    const { conversation, lastSeq } = await loadHistory(sessionId);
    expect(textsOf(conversation)).toEqual(['one', 'first', 'two', 'second']);
    expect(conversation).toMatchObject({
      turns: [],
      waiting: { approvals: [], questions: [] },
      stream: null,
    });
    expect(lastSeq).toBe(10);
  });

  test('a gate that waits is found with the hash of what is shown, and a message behind it is not printed', async () => {
    const sessionId = await at.session();
    await answer(sessionId, 'one', 'first');
    const step = new StreamingStep(at.db, at.worker, sessionId);
    await step.ask('send it');
    await step.open();
    step.say('I will ask.');
    const [first, second] = [gatedCall(), gatedCall()];
    await step.close({ calls: [first, second] });
    await step.ask('and another thing');
    const { conversation } = await loadHistory(sessionId);
    expect(textsOf(conversation)).toEqual([
      'one',
      'first',
      'send it',
      'I will ask.',
      'tool_call',
      'tool_call',
    ]);
    expect(conversation.log.at(-1)).toMatchObject({ rule: 'default', reason: 'not known as read-only' });
    expect(conversation.waiting.approvals).toMatchObject([
      { id: first.toolCallId, approval: { argumentsHash: 'hash-of-arguments' }, arguments: { to: 'bob' } },
      { id: second.toolCallId },
    ]);
    expect(conversation.turns).toMatchObject([
      { turnId: step.turnId },
      { held: [{ kind: 'user', text: 'and another thing' }] },
    ]);
    await decide(at.db, {
      sessionId,
      toolCallId: first.toolCallId,
      approved: false,
      decidedBy: 'alice',
      via: 'websocket',
      reason: 'no',
    });
    const later = (await loadHistory(sessionId)).conversation;
    expect(later.waiting.approvals.map(({ id }) => id)).toEqual([second.toolCallId]);
    expect(later.log.slice(-3)).toMatchObject([
      { kind: 'tool_call', number: 1 },
      { kind: 'tool_call', number: 2 },
      { kind: 'decision', number: 1, outcome: 'rejected', reason: 'no' },
    ]);
    expect(later.numbers.get(second.toolCallId)).toBe(2);
  });

  test('a long way back to the beginning of an open turn is walked in pages', async () => {
    const sessionId = await at.session();
    const step = new StreamingStep(at.db, at.worker, sessionId);
    await step.ask('send many');
    await step.open();
    const calls = Array.from({ length: 150 }, gatedCall);
    await step.close({ calls });
    const { conversation, lastSeq } = await loadHistory(sessionId);
    expect(lastSeq).toBeGreaterThan(300);
    expect(conversation.waiting.approvals.map(({ id }) => id)).toEqual(calls.map((call) => call.toolCallId));
    expect(textsOf(conversation)[0]).toBe('send many');
  });
});

test('what HTTP refuses, and who does not answer, is told in a sentence', async () => {
  const told = (at: FindTarget, work: Promise<unknown>) =>
    work.catch((error: unknown) => {
      throw failureOf(error, at);
    });
  const wrong = () => ({ ...findTarget(), token: 'wrong' });
  await expect(told(wrong, gatewayClient(wrong).sessions.list())).rejects.toThrow(
    /does not accept the token: .* `turngate token` makes a new one/,
  );
  await expect(Chat.open({ client, findTarget, sessionId: 'none' })).rejects.toThrow(
    'There is no such session.',
  );
  const nobody = () => ({ ...findTarget(), http: 'http://127.0.0.1:9' });
  await expect(told(nobody, gatewayClient(nobody).sessions.list())).rejects.toThrow(
    /^Nothing answers at .* Does `npm start` run there\?/,
  );
});

describe('a chat', () => {
  test('that comes in the middle of a stream shows all of it, and goes on exactly', async () => {
    const sessionId = await at.session();
    const step = new StreamingStep(at.db, at.worker, sessionId);
    await step.ask('say something');
    await step.open();
    step.say('Hel');
    await step.draft();
    const chat = await open(sessionId);
    await until(() => chat.conversation().stream?.content === 'Hel');
    step.say('lo ', { channel: 'thought' });
    step.say('lo you');
    await until(() => chat.conversation().stream?.content === 'Hello you');
    await step.close();
    await until(() => chat.conversation().stream === null);
    expect(textsOf(chat.conversation())).toEqual([
      'say something',
      expect.stringContaining('/help'),
      'Hello you',
    ]);
  });

  test('sends a message, decides with the hash of what was shown, and stops a turn', async () => {
    const sessionId = await at.session();
    const chat = await open(sessionId);
    chat.cancel();
    expect(textsOf(chat.conversation()).at(-1)).toBe('Nothing is running.');
    chat.enter('mail bob');
    await until(() => chat.conversation().turns.length === 1);
    const step = new StreamingStep(at.db, at.worker, sessionId);
    await step.open();
    const call = gatedCall();
    await step.close({ calls: [call] });
    await until(() => chat.conversation().waiting.approvals.length === 1);
    chat.decide(call.toolCallId, { approved: false, reason: 'not now' });
    expect(chat.conversation().waiting.approvals).toEqual([]);
    await until(() => chat.conversation().log.at(-1)?.kind === 'decision');
    expect(chat.conversation().log.at(-1)).toMatchObject({
      outcome: 'rejected',
      by: 'alice',
      reason: 'not now',
    });
    chat.cancel();
    await until(async () => {
      const { rows } = await at.db.query(
        'select 1 from turns where id = $1 and cancel_requested_at is not null',
        [step.turnId],
      );
      return rows.length === 1;
    });
    await until(() => chat.conversation().outgoing.length === 0);
  });

  test('opens other sessions and keeps what is printed', async () => {
    const sessionId = await at.session();
    await answer(sessionId, 'old question', 'old answer');
    const chat = await open(sessionId);
    const printed = chat.conversation().log;
    chat.enter('/new about mail');
    await until(() => chat.conversation().sessionId !== sessionId);
    chat.enter('/sessions');
    await until(() => textsOf(chat.conversation()).some((text) => text.includes('about mail (this one)')));
    chat.enter(`/sessions ${sessionId}`);
    await until(() => chat.conversation().sessionId === sessionId);
    expect(chat.conversation().log.slice(0, printed.length)).toEqual(printed);
    expect(textsOf(chat.conversation()).slice(-2)).toEqual(['old question', 'old answer']);
    chat.enter('/sessions 00000000-0000-7000-8000-000000000000');
    await until(() => textsOf(chat.conversation()).at(-1)?.includes('There is no such session'));
    expect(chat.conversation().sessionId).toBe(sessionId);
    chat.enter('/nonsense');
    expect(textsOf(chat.conversation()).at(-1)).toBe('There is no /nonsense; /help says what there is.');
    chat.enter('x'.repeat(100_001));
    expect(textsOf(chat.conversation()).at(-1)).toMatch(/^Not sent: 100001 characters/);
    chat.enter('/quit');
    await chat.left;
  });
});
