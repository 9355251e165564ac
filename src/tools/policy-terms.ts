import type { Approvers, GateLevel, GateTerms } from '../protocol/gate-terms.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { ApproversSource, RuleSource } from './policy-schema.ts';

/** What a rule that asks wants of an approval, with everything filled in that it leaves out. */
export function toTerms(rule: RuleSource): GateTerms {
  // Levels add up: whom the first keeps out, a later one must let in by its own word, never by saying nothing.
  const requester = rule.approvers?.requester ?? true;
  return {
    rule: rule.id,
    levels: [rule, ...(rule.on_timeout?.escalate ?? [])].map((level) => toLevel(level, requester)),
    remember: rule.remember ?? 'once',
  };
}

type LevelSource = Pick<RuleSource, 'approvers' | 'needed' | 'timeout' | 'remind_every'>;

function toLevel({ approvers, needed, timeout, remind_every }: LevelSource, requester: boolean): GateLevel {
  return {
    approvers: toApprovers(approvers, requester),
    needed: needed ?? 1,
    timeoutMs: timeout ?? null,
    remindEveryMs: remind_every ?? null,
  };
}

/** Where nobody is named: whoever may decide in the session. */
function toApprovers(approvers: ApproversSource = {}, requester: boolean): Approvers {
  const { roles, users = [] } = approvers;
  const everybody = users.length === 0 ? [...rightHolders.decide] : [];
  return { users, roles: roles ?? everybody, requester: approvers.requester ?? requester };
}
