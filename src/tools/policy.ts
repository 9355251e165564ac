import type { GateTerms } from '../protocol/gate-terms.ts';
import type { PolicyCall } from './policy-call.ts';
import type { Policy, PolicyRule } from './policy-file.ts';
import { believed, testAll } from './policy-match.ts';
import type { Truth } from './policy-truth.ts';
import type { ToolDescriptor } from './port.ts';

export interface GateDecision {
  gate: 'allow' | 'ask' | 'deny';
  /** The id of the rule that decided, or one of `unknown-tool`, `no-rule`, `policy-broken`. */
  rule: string;
  /** A sentence for the user and, when refused, for the model. */
  reason: string;
  /** Of a rule that asks; null otherwise. */
  terms: GateTerms | null;
}

export interface Repeatability {
  repeatable: boolean;
  readOnly: boolean;
}

/** The policy as it stands at a moment: in order, or with a fault for which nothing may run. */
export type PolicyState = { policy: Policy } | { fault: string };

/**
 * What stands between one tool call and its execution: the first rule that fits decides. Where it cannot be said
 * whether a rule fits, it counts as fitting if it asks or denies and as not fitting if it allows. Where no rule fits,
 * the call is denied. Pure.
 */
export function decidePolicy(policy: Policy, call: PolicyCall): GateDecision {
  const rule = policy.rules.find((candidate) => standsFor(candidate, testAll(candidate.matchers, call)));
  if (call.tool === undefined && rule?.decide !== 'deny') return unknownTool(call.toolName);
  if (rule === undefined) return noRule(call.toolName);
  const reason = rule.reason ?? wordsOf(rule, call.toolName);
  return { gate: rule.decide, rule: rule.id, reason, terms: rule.terms };
}

/** As {@link decidePolicy}; under a policy that cannot be used, nothing runs. */
export function decideUnder(state: PolicyState, call: PolicyCall): GateDecision {
  return 'policy' in state ? decidePolicy(state.policy, call) : broken(state.fault);
}

/**
 * Whether a call with unknown outcome may be made again, and whether it had no effect for certain: what a trusted server
 * says of its tool. Nothing is believed of a tool that is not there, or under a policy that cannot be used.
 */
export function repeatabilityOf(state: PolicyState, tool: ToolDescriptor | undefined): Repeatability {
  if (!('policy' in state) || tool === undefined) return { repeatable: false, readOnly: false };
  const { read_only, idempotent } = believed(state.policy.trustedServers, tool);
  return { repeatable: read_only || idempotent, readOnly: read_only };
}

/** Whether a rule decides a call that it fits so: what is unclear never opens a gate. */
export function standsFor(rule: Pick<PolicyRule, 'decide'>, fits: Truth): boolean {
  return fits === 'yes' || (fits === 'unclear' && rule.decide !== 'allow');
}

function wordsOf(rule: PolicyRule, tool: string): string {
  if (rule.decide === 'allow') return `${tool} may run by itself, says the rule "${rule.id}".`;
  if (rule.decide === 'ask') return `${tool} needs a person's approval, says the rule "${rule.id}".`;
  return `${tool} is denied by the rule "${rule.id}".`;
}

const denied = (rule: string, reason: string): GateDecision => ({ gate: 'deny', rule, reason, terms: null });

function unknownTool(tool: string): GateDecision {
  return denied(
    'unknown-tool',
    `There is no tool ${tool} at this time. Use one of the tools that are offered.`,
  );
}

function noRule(tool: string): GateDecision {
  return denied('no-rule', `${tool} is denied, because no rule of the policy says otherwise.`);
}

function broken(fault: string): GateDecision {
  const reason = `Every tool call is denied until the policy file is mended. ${fault}`;
  return denied('policy-broken', reason);
}
