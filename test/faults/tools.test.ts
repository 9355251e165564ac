import { expect, test } from '@jest/globals';
import { aims } from './tools/aims.ts';
import { decisionKinds, planTools, toolNames } from './tools/plan.ts';
import { reportLines } from './tools/report.ts';
import { runTools } from './tools/run.ts';

const runBoundMs = 240_000;

test(
  'worker, gateway and Temporal are killed around tool calls and decisions, and nothing is done twice, lost or undecided',
  async () => {
    const plan = { seed: 20_261_121, calls: 30, sessions: 12, aimedShare: 0.3, meanKillMs: 20_000 };
    const report = await runTools({ ...plan, gateways: 1, boundMs: 200_000 }, () => undefined);
    // What was found, in words, where it is not clean.
    expect(report.findings.isClean ? [] : reportLines(report)).toEqual([]);
    expect(report.record.calls).toHaveLength(plan.calls);
    expect(report.record.effects.length).toBeGreaterThan(0);
    expect(report.findings.figures['decisions recorded']).toBeGreaterThanOrEqual(plan.calls / 2);
    expect(report.kills.length).toBeGreaterThan(2);
  },
  runBoundMs,
);

test('the same seed plans the same, and everything comes', () => {
  const plan = { seed: 3, calls: 200, sessions: 10, aimedShare: 0.2, meanKillMs: 1 };
  expect(planTools(plan)).toEqual(planTools(plan));
  expect(planTools(plan)).not.toEqual(planTools({ ...plan, seed: 4 }));
  const calls = planTools(plan).flatMap((session) => session.turns.flat());
  expect(calls).toHaveLength(plan.calls);
  expect(new Set(calls.flatMap(({ fault }) => (fault ? [fault.aim] : [])))).toEqual(new Set(aims));
  expect(new Set(calls.map(({ tool }) => tool))).toEqual(new Set(toolNames));
  expect(new Set(calls.map(({ decision }) => decision))).toEqual(new Set(decisionKinds));
});
