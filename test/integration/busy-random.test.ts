import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AckFrame, ErrorFrame } from '../../src/protocol/live-frames.ts';
import type { OnBusy } from '../../src/protocol/on-busy.ts';
import { type BusyHarness, type BusySession, openBusyHarness } from '../helpers/busy-harness.ts';
import { seededRandom } from '../helpers/random.ts';
import type { ModelCall, Piece } from '../helpers/scripted-model.ts';
import { eventually } from '../helpers/turn-harness.ts';

/*
 * Sessions that are spoken to in every way at any moment, while workers come and go: whatever was decided, it holds to
 * the end. BUSY_SEED makes other choices.
 */
const sessions = 4;
const actions = 16;
/** How much a session says, at most, between two of them. */
const framesBetween = 12;
const seed = Number(process.env.BUSY_SEED ?? 7);
const modes: OnBusy[] = ['enqueue', 'interrupt', 'rollback', 'steer', 'steer', 'reject'];
const kinds = ['talk', 'talk', 'echo', 'effect', 'both'];

let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
});
afterAll(() => harness.close());

/** Does what the first word of the last message of a person says; after tools it says so. */
function* answer(request: ModelCall): Iterable<Piece> {
  const last = request.messages.at(-1);
  const [kind = ''] = String(last?.content).split(' ');
  if (last?.role === 'user' && kind !== 'talk') {
    const call = (name: string) => ({
      toolCall: { name: `test__${name}`, arguments: { text: randomUUID() } },
    });
    yield 'let me see';
    if (kind !== 'effect') yield call('echo');
    if (kind !== 'echo') yield call('effect');
    return;
  }
  for (let word = 1; word <= 8; word += 1) {
    yield `word ${word} `;
    yield { delayMs: 15 };
  }
}

interface Sent {
  id: string;
  content: string;
  answer: AckFrame | ErrorFrame;
}

async function speakTo(session: BusySession, random: () => number): Promise<Sent[]> {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const sent: Sent[] = [];
  for (let n = 1; n <= actions; n += 1) {
    const { length } = session.client.frames;
    const more = Math.floor(random() * framesBetween);
    await eventually(
      'more frames',
      async () => session.client.frames.length >= length + more || isIdle(session),
    );
    const what = random();
    if (what < 0.75 || sent.length === 0) {
      const id = `m${n}`;
      const content = `${pick(kinds)} ${session.id} ${n}`;
      sent.push({ id, content, answer: await session.say(content, pick(modes), id) });
    } else if (what < 0.85) {
      session.client.send({ type: 'cancel', id: `c${n}` });
    } else {
      const again = pick(sent);
      const repeated = await session.say(again.content, pick(modes), again.id);
      if (again.answer.type === 'ack') expect(repeated).toEqual(again.answer);
      else again.answer = repeated;
    }
  }
  return sent;
}

function isIdle({ client }: BusySession): boolean {
  const ended = new Set(client.of('turn_end').map((end) => end.turn_id));
  return client.of('message_saved').every((saved) => ended.has(saved.turn_id));
}

/** Approves every call that asks. */
function approveAll({ client }: BusySession): void {
  client.socket.on('message', (data) => {
    const frame = JSON.parse(String(data));
    if (frame.type !== 'tool_approval_request') return;
    client.send({ type: 'tool_approval', tool_call_id: frame.tool_call_id, approved: true });
  });
}

test(`whatever comes when, it holds to the end (BUSY_SEED=${seed})`, async () => {
  const { at } = harness;
  at.model.script(answer);
  let worker = await at.startWorker({ HISTORY_MESSAGES: '1000' });
  const opened = await Promise.all(Array.from({ length: sessions }, () => harness.open()));
  for (const session of opened) approveAll(session);
  const speaking = Promise.all(opened.map((session, index) => speakTo(session, seededRandom(seed + index))));
  for (let n = 0; n < 2; n += 1) {
    await worker.close();
    worker = await at.startWorker({ HISTORY_MESSAGES: '1000' });
  }
  const sent = await speaking;
  await eventually('the end of every turn', async () => opened.every(isIdle));
  for (const [index, session] of opened.entries()) await holds(session, sent[index] ?? []);
  expect(at.model.refused).toEqual([]);
  const effects = at.effects().map((effect) => effect.tool_call_id);
  expect(new Set(effects).size).toBe(effects.length);
  await worker.close();
});

async function holds({ id, client }: BusySession, sent: Sent[]): Promise<void> {
  const { at } = harness;
  expect(client.breaches).toEqual([]);
  const saved = client.of('message_saved');
  const ends = new Map(client.of('turn_end').map((end) => [end.turn_id, end.status]));
  expect(client.of('turn_end')).toHaveLength(ends.size);
  const removed = new Set(client.of('messages_removed').flatMap((event) => event.message_ids));

  // Each message that was taken in is there once, in its turn; none that was refused is.
  const acked = sent.flatMap(({ id, answer }) => (answer.type === 'ack' ? [{ id, ...answer }] : []));
  expect(saved.map((event) => [event.client_message_id, event.turn_id]).toSorted()).toEqual(
    acked.map((ack) => [ack.id, ack.turn_id]).toSorted(),
  );

  // Turns run in the order in which they were asked for.
  const order = [...new Set(saved.map((event) => event.turn_id))];
  const started = client.of('turn_started').map((event) => event.turn_id);
  expect(started).toEqual(order.filter((turnId) => started.includes(turnId)));

  // The model was given each message of a turn that was answered, and none that had been taken back.
  const requests = at.model.requests.filter((request) => JSON.stringify(request.messages).includes(id));
  const heard = requests.map((request) => request.messages.map((message) => String(message.content)));
  for (const event of saved) {
    if (ends.get(event.turn_id) !== 'completed') continue;
    expect([event.content, heard.some((contents) => contents.includes(event.content))]).toEqual([
      event.content,
      true,
    ]);
  }
  const { rows } = await at.db.query<{ id: string; content: string; removed: boolean }>(
    `select id, content, removed_at is not null as removed from messages where session_id = $1
     order by position, step, ordinal`,
    [id],
  );
  expect(new Set(rows.filter((row) => row.removed).map((row) => row.id))).toEqual(removed);
  const shown = rows.filter((row) => !row.removed && row.content.includes(id)).map((row) => row.content);
  const gone = new Set(rows.flatMap((row) => (row.removed ? [row.content] : [])));
  const lastHeard = heard.at(-1)?.filter((content) => content.includes(id) && !gone.has(content)) ?? [];
  expect(shown.slice(0, lastHeard.length)).toEqual(lastHeard);
}
