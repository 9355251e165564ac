import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { protocolRules, type Rules } from '../../src/client/rules.ts';
import { play } from '../helpers/client-model.ts';
import { mutants } from '../helpers/client-mutants.ts';
import { schedules } from '../helpers/client-schedule.ts';

/** MODEL_RUNS=100000 plays more of them, MODEL_SEED others. */
const numRuns = Number(process.env.MODEL_RUNS ?? 2_000);
const seed = Number(process.env.MODEL_SEED ?? 4);
const boundMs = 60_000 + numRuns * 20;

function check(rules: Rules, options: { endOnFailure: boolean; numRuns: number }) {
  const property = fc.asyncProperty(schedules, async (steps) => {
    expect(await play(steps, rules)).toEqual([]);
  });
  return fc.check(property, { seed, ...options });
}

test(
  `over ${numRuns} schedules (seed ${seed}) the client ends as the session is, and is never wrong on the way`,
  async () => {
    const run = await check(protocolRules, { endOnFailure: false, numRuns });
    if (run.failed) {
      // The report has the seed and the path that play the shortest failing schedule again.
      const faults = await play(run.counterexample?.[0] ?? []);
      throw new Error(`${faults.join('\n')}\n${await fc.asyncDefaultReportMessage(run)}`);
    }
    expect(run.numRuns).toBe(numRuns);
  },
  boundMs,
);

describe('a client is found out that', () => {
  test.each(Object.entries(mutants))(
    '%s',
    async (_name, fault) => {
      const run = await check({ ...protocolRules, ...fault }, { endOnFailure: true, numRuns: 2_000 });
      expect(run.failed).toBe(true);
    },
    boundMs,
  );
});
