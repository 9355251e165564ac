import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decidePolicy } from '../../src/tools/policy.ts';
import type { PolicyCall } from '../../src/tools/policy-call.ts';
import type { Policy } from '../../src/tools/policy-file.ts';
import { policyOf } from '../helpers/policy.ts';
import { toolOf } from '../helpers/policy-calls.ts';

const servers = ['office', 'bank', 'other'];
const tools = ['read', 'send', 'delete_all'];
const oneOf = <T>(values: T[]) => fc.constantFrom(...values);
const some = <T>(values: T[]) => fc.uniqueArray(oneOf(values), { minLength: 1, maxLength: 2 });

const condition = fc.oneof(
  fc.record({ equals: oneOf<unknown>([1, 'a', null]) }),
  fc.record({ above: fc.integer({ min: -2, max: 2 }) }),
  fc.record({ matches: oneOf(['a', '^b+$', '(a|b)*']) }),
  fc.record({ not_matches: oneOf(['a', 'b$']) }),
  fc.record({ exists: fc.boolean() }),
  fc.record({ any: fc.record({ longer_than: fc.nat(2) }) }),
);
const wants = fc.record(
  {
    tool: some(['*', 'office.*', '*.delete_*', 'bank.send', 'other.rea?']),
    server: some(servers),
    annotations: fc.record(
      { read_only: fc.boolean(), idempotent: fc.boolean(), destructive: fc.boolean() },
      { requiredKeys: [] },
    ),
    arguments: fc.dictionary(oneOf(['/a', '/b', '/b/0']), condition, { minKeys: 1, maxKeys: 2 }),
    user: some(['alice', 'bob']),
    role: some(['owner', 'member', 'viewer']),
    agent: some(['default', 'clerk']),
    tenant: some(['acme', 'other']),
  },
  { requiredKeys: [] },
);
const decide = oneOf(['allow', 'ask', 'deny']);
const rules = fc
  .array(fc.tuple(wants, decide), { minLength: 1, maxLength: 6 })
  .map((made) => made.map(([wanted, decision], index) => ({ id: `r${index}`, ...wanted, decide: decision })));
const trusted = fc.subarray(servers);
const value = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  oneOf(['a', 'b', 'ab', '']),
  fc.constant(null),
  some(['a', 'bcd']),
);
const call: fc.Arbitrary<PolicyCall> = fc
  .record({
    name: fc.tuple(oneOf(servers), oneOf(tools)).map((parts) => parts.join('.')),
    hints: fc.record({
      readOnlyHint: fc.boolean(),
      idempotentHint: fc.boolean(),
      destructiveHint: fc.boolean(),
    }),
    arguments: fc.dictionary(oneOf(['a', 'b']), value),
    user: oneOf(['alice', 'bob']),
    role: oneOf(['owner', 'member', 'viewer', null] as const),
    agent: oneOf(['default', 'clerk']),
    tenant: oneOf(['acme', 'other', null]),
  })
  .map(({ name, hints, user, role, ...rest }) => ({
    tool: toolOf(name, hints),
    toolName: name,
    requester: { id: user, role },
    ...rest,
  }));

type Rule = { id: string; decide: string };
/** JSON is YAML. */
const policyWith = (written: object[], trusting: string[]): Policy =>
  policyOf(JSON.stringify({ trusted_servers: trusting, rules: written }));
const strictness = { allow: 0, ask: 1, deny: 2 };

describe('for any policy and any call', () => {
  test('the first rule decides that fits, or of which it is unclear and which does not allow', () => {
    fc.assert(
      fc.property(rules, trusted, call, (written, trusting, asked) => {
        const decision = decidePolicy(policyWith(written, trusting), asked);
        // Each rule by itself, with and without the power to open a gate, says whether it fits or is unclear.
        const alone = (rule: Rule, as: string) =>
          decidePolicy(policyWith([{ ...rule, decide: as }], trusting), asked).rule === rule.id;
        const first = written.find((rule) => alone(rule, rule.decide === 'allow' ? 'allow' : 'deny'));
        expect(decision.rule).toBe(first?.id ?? 'no-rule');
        expect(decision.gate).toBe(first?.decide ?? 'deny');
        expect(decision.terms === null).toBe(decision.gate !== 'ask');
      }),
      { numRuns: 100 },
    );
  });

  test('whoever may run alone does so by a rule that allows and fits without any doubt', () => {
    fc.assert(
      fc.property(rules, trusted, call, (written, trusting, asked) => {
        const policy = policyWith(written, trusting);
        const decision = decidePolicy(policy, asked);
        if (decision.gate !== 'allow') return;
        const rule = policy.rules.find(({ id }) => id === decision.rule);
        expect(rule?.decide).toBe('allow');
        expect(rule?.matchers.map((matcher) => matcher.test(asked))).toEqual(rule?.matchers.map(() => 'yes'));
      }),
      { numRuns: 200 },
    );
  });

  test('a condition that fails never opens a gate, wherever it stands', () => {
    fc.assert(
      fc.property(rules, trusted, call, fc.nat(), (written, trusting, asked, which) => {
        const policy = policyWith(written, trusting);
        const before = decidePolicy(policy, asked);
        const at = which % policy.rules.length;
        const failing = {
          field: 'of the test',
          wants: null,
          found: () => null,
          test: () => {
            throw new Error('broken on purpose');
          },
        };
        const broken = policy.rules.map((rule, index) =>
          index === at ? { ...rule, matchers: [...rule.matchers, failing] } : rule,
        );
        const after = decidePolicy({ ...policy, rules: broken }, asked);
        // It may only close: unless an allowing rule stands aside, and a later one decides by itself.
        const rule = policy.rules[at];
        if (before.rule !== rule?.id || rule.decide !== 'allow') expect(after).toEqual(before);
        else expect(after.rule).not.toBe(rule.id);
      }),
      { numRuns: 200 },
    );
  });

  test('one rule more that asks or denies, anywhere, never lets more run', () => {
    fc.assert(
      fc.property(
        rules,
        wants,
        oneOf(['ask', 'deny']),
        trusted,
        call,
        fc.nat(),
        (written, wanted, added, trusting, asked, place) => {
          const before = decidePolicy(policyWith(written, trusting), asked);
          const at = place % (written.length + 1);
          const more = written.toSpliced(at, 0, { id: 'added', ...wanted, decide: added });
          const after = decidePolicy(policyWith(more, trusting), asked);
          if (after.gate === 'allow') expect(before).toEqual(after);
          if (after.rule !== 'added') expect(after).toEqual(before);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('what servers say that are not trusted changes nothing', () => {
    const hints = fc.record({
      readOnlyHint: fc.boolean(),
      idempotentHint: fc.boolean(),
      destructiveHint: fc.boolean(),
    });
    fc.assert(
      fc.property(rules, trusted, call, hints, (written, trusting, asked, said) => {
        const policy = policyWith(
          written,
          trusting.filter((server) => server !== asked.tool?.server),
        );
        const other = { ...asked, tool: toolOf(asked.toolName, said) };
        expect(decidePolicy(policy, other)).toEqual(decidePolicy(policy, asked));
      }),
      { numRuns: 200 },
    );
  });

  test('a tool that is not there never runs, and is denied', () => {
    fc.assert(
      fc.property(rules, trusted, call, (written, trusting, asked) => {
        const decision = decidePolicy(policyWith(written, trusting), { ...asked, tool: undefined });
        expect(strictness[decision.gate]).toBe(strictness.deny);
      }),
      { numRuns: 200 },
    );
  });
});
