import type { Approvers, GateLevel, GateTerms } from '../protocol/gate-terms.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { ApproversSource, RuleSource } from './policy-schema.ts';

/** What a rule that asks wants of an approval, with everything filled in that it leaves out. */
export function toTerms(rule: RuleSource): GateTerms {
  const first = toLevel(rule);
  const later = rule.on_timeout?.escalate ?? [];
  return {
    rule: rule.id,
    levels: [first, ...later.map(toLevel)],
    remember: rule.remember ?? 'once',
  };
}

function toLevel(level: Pick<RuleSource, 'approvers' | 'needed' | 'timeout' | 'remind_every'>): GateLevel {
  return {
    approvers: toApprovers(level.approvers),
    needed: level.needed ?? 1,
    timeoutMs: level.timeout ?? null,
    remindEveryMs: level.remind_every ?? null,
  };
}

/** Where nobody is named: whoever may decide in the session. */
function toApprovers(approvers: ApproversSource | undefined): Approvers {
  const { roles, users = [], requester = true } = approvers ?? {};
  const everybody = users.length === 0 ? [...rightHolders.decide] : [];
  return { users, roles: roles ?? everybody, requester };
}
