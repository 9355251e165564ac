import { decidePolicy, type GateDecision, standsFor } from './policy.ts';
import type { PolicyCall } from './policy-call.ts';
import type { Policy, PolicyRule } from './policy-file.ts';
import { testAll, testOne } from './policy-match.ts';
import type { Truth } from './policy-truth.ts';

/** What came of one thing that a rule wants. */
export interface ExplainedCheck {
  field: string;
  wants: unknown;
  /** undefined where the call has nothing there. */
  found: unknown;
  fits: Truth;
}

export interface ExplainedRule {
  rule: PolicyRule;
  /** Whether all of it fits the call. */
  fits: Truth;
  /** `not asked`: a rule before it decided. */
  outcome: 'decides' | 'does not fit' | 'not asked';
  checks: ExplainedCheck[];
}

/** The decision on a call, and of each rule whether it fits and why (not). */
export function explainPolicy(
  policy: Policy,
  call: PolicyCall,
): { decision: GateDecision; rules: ExplainedRule[] } {
  let isDecided = false;
  const rules = policy.rules.map((rule): ExplainedRule => {
    const fits = testAll(rule.matchers, call);
    const applies = standsFor(rule, fits);
    const outcome = isDecided ? 'not asked' : applies ? 'decides' : 'does not fit';
    isDecided ||= applies;
    const checks = rule.matchers.map((matcher) => ({
      field: matcher.field,
      wants: matcher.wants,
      found: matcher.found(call),
      fits: testOne(matcher, call),
    }));
    return { rule, fits, outcome, checks };
  });
  return { decision: decidePolicy(policy, call), rules };
}
