import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { argumentsHash } from '../../src/gate/hashes.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { action, terms } from '../helpers/gate-schedule.ts';
import { openGate } from '../helpers/tested-gate.ts';

/*
 * Approvals by generated schedules, on the real store: people who may and may not, several needed, edits, stale and
 * repeated decisions, operators, escalation, expiry, people who leave, the turn's end. What must hold is said of what
 * was answered and of what the store has, not by a second implementation.
 */
const runs = Number(process.env.GATE_RUNS ?? 60);
const seed = Number(process.env.GATE_SEED ?? 2026);

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-machine');
});
afterAll(() => store.close());

test(`approvals hold in ${runs} generated schedules`, async () => {
  const seen = { recorded: 0, voted: 0, conflict: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(terms, fc.array(action, { minLength: 2, maxLength: 12 }), async (wanted, actions) => {
      const gate = await openGate(store.db, wanted);
      for (const what of actions) await gate.do(what);
      await gate.check();
      for (const { answer } of gate.acks) seen[answer.kind] += 1;
    }),
    { numRuns: runs, seed },
  );
  // The schedules reach what they are for.
  for (const kind of ['recorded', 'voted', 'conflict'] as const)
    expect(seen[kind]).toBeGreaterThan(runs / 20);
}, 240_000);

test('arguments keep their hash on the way through the store', async () => {
  const numbers = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer());
  const values = fc.dictionary(
    fc.string({ unit: 'grapheme', maxLength: 6 }).filter((name) => !name.includes('\u0000')),
    fc.oneof(numbers, fc.boolean(), fc.constant(null), fc.array(numbers, { maxLength: 3 })),
    { maxKeys: 6 },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(values, { minLength: 20, maxLength: 20 }), async (all) => {
      const { rows } = await store.db.query<{ back: Record<string, unknown> }>(
        'select v::jsonb as back from unnest($1::text[]) with ordinality as u(v, n) order by n',
        [all.map((value) => JSON.stringify(value))],
      );
      expect(rows.map(({ back }) => argumentsHash(back))).toEqual(all.map((value) => argumentsHash(value)));
    }),
    { numRuns: 50, seed },
  );
});
