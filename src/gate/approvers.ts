import type { Participant, ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateLevel, GateTerms } from '../protocol/gate-terms.ts';
import { limits } from '../protocol/limits.ts';

/** Calls that were asked about before rules said by whom: whoever may decide in the session. */
const anybody: GateLevel = {
  approvers: { users: [], roles: ['owner', 'member', 'approver'], requester: true },
  needed: 1,
  timeoutMs: null,
  remindEveryMs: null,
};

/** The terms of a call; `rule` where its row has none. */
export function termsOf(call: { terms: GateTerms | null; rule: string }): GateTerms {
  return call.terms ?? { rule: call.rule, levels: [anybody], remember: 'once' };
}

/** The level that a gate is at. */
export function levelAt(terms: GateTerms, level: number): GateLevel {
  return terms.levels[Math.min(level, terms.levels.length - 1)] ?? anybody;
}

/** Whoever was asked may go on deciding when it was escalated to others: levels add up. */
function levelsUpTo(terms: GateTerms, level: number): GateLevel[] {
  const levels = terms.levels.slice(0, level + 1);
  return levels.length > 0 ? levels : [anybody];
}

interface Asked {
  terms: GateTerms;
  level: number;
  requesterId: string;
}

interface Person {
  userId: string;
  role: ParticipantRole;
}

/** Whether the rule lets this participant decide. A viewer never may, also where the rule names them. */
export function mayDecide(gate: Asked, person: Person): boolean {
  return levelsUpTo(gate.terms, gate.level).some((level) => isOf(level, gate.requesterId, person));
}

function isOf({ approvers }: GateLevel, requesterId: string, { userId, role }: Person): boolean {
  if (role === 'viewer' || (userId === requesterId && !approvers.requester)) return false;
  return approvers.users.includes(userId) || approvers.roles.includes(role);
}

/**
 * How many have to approve where these are among them. A level that needs fewer than the ones before lets fewer decide
 * only with one of its own people: those who were asked first do not become enough by letting time pass.
 */
export function neededWith(gate: Asked, people: Person[]): number {
  const { needed } = levelAt(gate.terms, gate.level);
  const theirs = levelsUpTo(gate.terms, gate.level).filter((level) =>
    people.some((person) => isOf(level, gate.requesterId, person)),
  );
  return theirs.length === 0 ? needed : Math.max(needed, Math.min(...theirs.map((level) => level.needed)));
}

/** Those of the participants who may decide. */
export function approversAmong(gate: Asked, participants: Participant[]): string[] {
  return participants
    .filter(({ user_id: userId, role }) => mayDecide(gate, { userId, role }))
    .map(({ user_id }) => user_id);
}

/** How many more of those whom the rule lets decide would have to take part, so that it can be approved. */
export function missingApprovers(gate: Asked, participants: Participant[]): number {
  const { people, needed } = approversThere(gate, participants);
  return Math.max(0, needed - people.length);
}

function approversThere(gate: Asked, participants: Participant[]): { people: Person[]; needed: number } {
  const people = participants
    .map(({ user_id: userId, role }) => ({ userId, role }))
    .filter((person) => mayDecide(gate, person));
  return { people, needed: neededWith(gate, people) };
}

/** Why those who take part are not enough to approve it, in sentences; null: they are. */
export function whyUndecidable(gate: Asked, participants: Participant[]): string | null {
  const { people, needed } = approversThere(gate, participants);
  if (people.length >= needed) return null;
  const there =
    ['nobody of them takes', 'only one of them takes'][people.length] ?? `only ${people.length} of them take`;
  const max = limits.participantsPerSession;
  const full = participants.length < max ? '' : `, which has the ${max} participants that it may have`;
  return `As things stand nobody can approve this: the rule "${gate.terms.rule}" needs ${needed} of ${approversInWords(gate)}, and ${there} part in the session${full}. An owner can change that.`;
}

/** The users whom the rule names, up to this level. */
export function namedApprovers(terms: GateTerms, level: number): string[] {
  return [...new Set(levelsUpTo(terms, level).flatMap(({ approvers }) => approvers.users))];
}

/** For an error: whom the rule lets decide. */
export function approversInWords(gate: { terms: GateTerms; level: number }): string {
  const levels = levelsUpTo(gate.terms, gate.level);
  const users = namedApprovers(gate.terms, gate.level);
  const roles = [...new Set(levels.flatMap(({ approvers }) => approvers.roles))];
  const who = [...users, ...roles.map((role) => `whoever is ${role}`)].join(', ') || 'nobody';
  const isRequesterOut = levels.every(({ approvers }) => !approvers.requester);
  return isRequesterOut ? `${who}, but not the person whose message led to it` : who;
}
