import { describe, expect, test } from '@jest/globals';
import { EventStream } from '../../src/client/event-stream.ts';

interface Event {
  type: string;
  seq: number;
}
const event = (seq: number): Event => ({ type: 'any', seq });

/** A store of events up to `stored()`, of which the third is for somebody else; two events a page. */
function open(stored: () => number) {
  const reads: number[] = [];
  const stream = new EventStream<Event>({
    seq: 0,
    onReturn: () => reads.push(-1),
    async readAfter(seq) {
      reads.push(seq);
      const upTo = Math.min(seq + 500, stored());
      const all = Array.from({ length: upTo - seq }, (_, index) => event(seq + 1 + index));
      return { events: all.filter((one) => one.seq !== 3), upTo };
    },
  });
  return { stream, reads };
}

async function take(stream: EventStream<Event>, count: number): Promise<number[]> {
  const seqs: number[] = [];
  while (seqs.length < count) {
    const { value } = await stream.next();
    seqs.push(value && 'seq' in value ? value.seq : Number.NaN);
  }
  return seqs;
}
const upTo = (last: number) =>
  Array.from({ length: last }, (_, index) => index + 1).filter((seq) => seq !== 3);

describe('an iterator of events', () => {
  test('gives what comes, to who waits and to who comes later', async () => {
    const { stream, reads } = open(() => 0);
    const first = stream.next();
    stream.push(event(1));
    stream.push(event(2));
    expect(await first).toEqual({ done: false, value: event(1) });
    expect(await take(stream, 1)).toEqual([2]);
    const last = stream.next();
    stream.end();
    expect(await last).toEqual({ done: true, value: undefined });
    expect(reads).toEqual([]);
  });

  test('reads over HTTP what it did not keep for a slow reader, and goes on without a gap or a repeat', async () => {
    let stored = 2_500;
    const { stream, reads } = open(() => stored);
    for (let seq = 1; seq <= 2_500; seq += 1) if (seq !== 3) stream.push(event(seq));
    expect(await take(stream, 1_200)).toEqual(upTo(1_201));
    // The store is ahead of the connection.
    stored = 2_600;
    expect(await take(stream, 2_499 - 1_200)).toEqual(upTo(2_500).slice(1_200));
    for (let seq = 2_501; seq <= 2_602; seq += 1) stream.push(event(seq));
    expect(await take(stream, 102)).toEqual(upTo(2_602).slice(-102));
    expect(reads.length).toBeLessThan(6);
  });

  test('a page without anything for this reader is no end', async () => {
    const { stream } = open(() => 3_000);
    for (let seq = 1; seq <= 1_002; seq += 1) stream.push(event(seq));
    await take(stream, 1_000);
    stream.push(event(3_000));
    expect((await take(stream, 2_000)).at(-1)).toBe(3_000);
  });

  test('word that events are gone comes in its place, and leaving the loop ends it', async () => {
    const { stream, reads } = open(() => 0);
    stream.push(event(1));
    stream.push({ type: 'resync', reason: 'retention', last_seq: 9 });
    stream.push(event(10));
    const seen: unknown[] = [];
    for await (const one of stream) {
      seen.push('seq' in one ? one.seq : one.last_seq);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([1, 9, 10]);
    expect(reads).toEqual([-1]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});
