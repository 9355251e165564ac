import type { SessionSnapshot, ToolCall } from '../../client/index.ts';
import { undecided } from '../../client/index.ts';

export type Question = SessionSnapshot['inputs'][number];

/** For how long an approval is remembered. */
export type Scope = 'once' | 'session' | 'always';

/** What waits for this person: calls to decide and questions to answer, oldest first, none that is on its way. */
export interface Waiting {
  approvals: readonly ToolCall[];
  questions: readonly Question[];
}

/** What a person is asked now; `at` in milliseconds since 1970. */
export type Asked =
  | { kind: 'approval'; id: string; at: number; call: ToolCall }
  | { kind: 'question'; id: string; at: number; question: Question };

export const nothingWaits: Waiting = { approvals: [], questions: [] };

export function waitingOf(view: SessionSnapshot): Waiting {
  const answered = new Set(view.queue.map((item) => (item.kind === 'answer' ? item.requestId : '')));
  return {
    approvals: undecided(view),
    questions: view.inputs.filter((question) => !answered.has(question.request_id)),
  };
}

/** All that waits, oldest first. */
export function askedOf({ approvals, questions }: Waiting): Asked[] {
  const calls = approvals.map(
    (call): Asked => ({ kind: 'approval', id: call.id, at: call.approval?.askedAt ?? 0, call }),
  );
  const asked = questions.map(
    (question): Asked => ({ kind: 'question', id: question.request_id, at: question.ts, question }),
  );
  return [...calls, ...asked].sort((one, other) => one.at - other.at);
}

export function isSameWaiting(one: Waiting, other: Waiting): boolean {
  const isSame = <T>(some: readonly T[], others: readonly T[]) =>
    some.length === others.length && some.every((item, index) => item === others[index]);
  return isSame(one.approvals, other.approvals) && isSame(one.questions, other.questions);
}
