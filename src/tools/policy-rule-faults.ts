/** A fault between fields of one rule, or between rules. */
export interface RuleFault {
  path: (string | number)[];
  message: string;
}

const fieldsOfAsking = ['approvers', 'needed', 'timeout', 'remind_every', 'on_timeout', 'remember'];

/**
 * What is wrong with a rule although each of its fields may be right. Looks at what was written, so that it is told
 * together with the faults of the fields.
 * @param before the rules that stand before it
 */
export function ruleFaults(rule: unknown, before: readonly unknown[]): RuleFault[] {
  if (!isObject(rule)) return [];
  return [...idFaults(rule, before), ...askingFaults(rule), ...levelFaults(rule, []), ...laterFaults(rule)];
}

function idFaults(rule: Record<string, unknown>, before: readonly unknown[]): RuleFault[] {
  const first = before.findIndex((other) => isObject(other) && other.id === rule.id);
  if (rule.id === undefined || first < 0) return [];
  return [
    { path: ['id'], message: `is also that of rule number ${first + 1}; people know rules by their id` },
  ];
}

function askingFaults(rule: Record<string, unknown>): RuleFault[] {
  if (rule.decide !== 'allow' && rule.decide !== 'deny') return [];
  return fieldsOfAsking
    .filter((field) => rule[field] !== undefined)
    .map((field) => ({
      path: [field],
      message: `is only for rules that ask; this one says \`decide: ${rule.decide}\``,
    }));
}

function levelFaults(level: Record<string, unknown>, at: RuleFault['path']): RuleFault[] {
  const approvers = isObject(level.approvers) ? level.approvers : {};
  const users = typeof approvers.users === 'string' ? [approvers.users] : approvers.users;
  const { needed } = level;
  if (!Array.isArray(users) || approvers.roles !== undefined || typeof needed !== 'number') return [];
  const people = new Set(users).size;
  if (needed <= people) return [];
  const message = `asks for ${needed} approvals, but only ${people} may approve; nobody could reach it`;
  return [{ path: [...at, 'needed'], message }];
}

function laterFaults(rule: Record<string, unknown>): RuleFault[] {
  const later = isObject(rule.on_timeout) ? rule.on_timeout.escalate : undefined;
  if (!Array.isArray(later)) return [];
  if (later.length === 0) {
    const message = 'names no level; say `on_timeout: reject` where nobody else is to be asked';
    return [{ path: ['on_timeout', 'escalate'], message }];
  }
  return later.flatMap((level, index) =>
    isObject(level) ? levelFaults(level, ['on_timeout', 'escalate', index]) : [],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
