import type { CallStatus } from './call-status.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import type { Answer } from './question-close.ts';
import { askQuestion, readAsked } from './questions.ts';
import type { OpenQuestion } from './steps.ts';
import type { CallClosing, ClosingCall } from './tool-call-close.ts';

/** A call that gets no answer, or does not reach its server, is not begun more often by itself. */
export const BEGUN_MAX = 3;

/** A call that was sent, and of whose attempt no result came; nothing of it can be running any more. */
export interface LostCall extends ClosingCall {
  tool: string;
  attempt: number;
}

export type LostFate =
  /** A person says that it may be sent again. */
  | { kind: 'again' }
  | { kind: 'closing'; closing: CallClosing }
  | { kind: 'question'; question: OpenQuestion; events: NewEvent[] };

const schema = {
  type: 'object',
  properties: {
    outcome: {
      type: 'string',
      title: 'What became of it?',
      description:
        'happened: it took effect. did_not_happen: it did not. run_again: send it once more, whatever became of the first.',
      enum: ['happened', 'did_not_happen', 'run_again'],
    },
  },
  required: ['outcome'],
  additionalProperties: false,
};

/**
 * Asks a person what became of an attempt, or does what they have said. The caller holds the session's lock, knows that
 * the turn runs, and appends the events.
 * @param options.timeoutMs how long people have, where the session does not say it
 */
export async function settleLost(tx: Tx, call: LostCall, options: { timeoutMs: number }): Promise<LostFate> {
  const message = `${call.tool} was called, and its result was lost. Whether it took effect is not known, and it is not sent again unless you say so. Look, then say what became of it.`;
  const asked = await askQuestion(tx, {
    sessionId: call.session_id,
    turnId: call.turn_id,
    toolCallId: call.id,
    kind: 'unknown_outcome',
    key: keyOf(call),
    message,
    schema,
    ...options,
  });
  if (asked.answer) return fateBy(asked.answer);
  await tx.query({
    name: 'ask-about-call',
    text: `update tool_calls set status = 'asking', lease_until = null where id = $1`,
    values: [call.id],
  });
  return { kind: 'question', question: asked.question, events: asked.events };
}

const keyOf = ({ id, attempt }: { id: string; attempt: number }) => `unknown_outcome:${id}:${attempt}`;

/** What a person has said of a lost call that is not sent again in any case; null: nothing, or that it may be. */
export async function saidOfLost(
  tx: Tx,
  call: { id: string; turn_id: string; attempt: number },
): Promise<CallClosing | null> {
  const asked = await readAsked(tx, { turnId: call.turn_id, key: keyOf(call) });
  const fate = asked?.answer ? fateBy(asked.answer) : null;
  return fate?.kind === 'closing' ? fate.closing : null;
}

function fateBy({ action, content, by }: Answer): LostFate {
  const outcome = action === 'accept' ? (content as { outcome: string }).outcome : null;
  if (outcome === 'run_again') return { kind: 'again' };
  if (outcome === 'happened') {
    const text = `The result of this call was lost, but it did take effect, says ${by}, who looked. Do not call it again for the same thing.`;
    return { kind: 'closing', closing: { status: 'unknown', result: { outcome, by }, text, error: null } };
  }
  if (outcome === 'did_not_happen') {
    const message = `The call was lost and did not take effect, says ${by}, who looked.`;
    const error = { code: 'tool_error' as const, message };
    return { kind: 'closing', closing: { status: 'failed', result: { outcome, by }, text: message, error } };
  }
  return { kind: 'closing', closing: lostResult };
}

export interface SentCall {
  /** How often it was begun. */
  attempt: number;
  /** The last attempt could not be sent. */
  is_unsent: boolean;
  /** It has no effect. */
  read_only: boolean;
  /** The last attempt had done nothing. */
  stands_at_question: boolean;
  /** An attempt before the last was sent and lost. */
  was_lost: boolean;
}

/** Also of a read-only call: its server may turn out not to be believed. And whoever is asked anew may say yes. */
export async function keepLost(tx: Tx, row: { id: string; was_lost: boolean }): Promise<void> {
  row.was_lost = true;
  await tx.query({
    name: 'keep-lost',
    text: 'update tool_calls set was_lost = true where id = $1',
    values: [row.id],
  });
}

/** It was lost while it could be repeated, and cannot be any more: nobody was asked, and nobody says that it may be sent again. */
export async function isUnasked(
  tx: Tx,
  row: SentCall & { id: string; status: CallStatus; repeatable: boolean },
): Promise<boolean> {
  if (row.status !== 'ready' || !row.was_lost || row.repeatable) return false;
  const { rowCount } = await tx.query({
    name: 'may-run-again',
    text: `select from input_requests where tool_call_id = $1 and kind = 'unknown_outcome' and content->>'outcome' = 'run_again'`,
    values: [row.id],
  });
  return rowCount === 0;
}

/** Whether an attempt of a call that has no result may have had its effect. */
export function mayHaveRun(call: SentCall): boolean {
  if (call.read_only) return false;
  return call.was_lost || (call.attempt > 0 && !call.is_unsent && !call.stands_at_question);
}

/** Of a call that is not to be sent any more: where an attempt of it was sent and lost, nobody may read that it did not run. */
export function afterAttempts(call: SentCall, closing: CallClosing): CallClosing {
  return mayHaveRun(call) ? { ...lostResult, text: besideLost(closing).text } : closing;
}

/** Of a call that came to nothing now, after an attempt that was lost: what that one did is still not known. */
export function besideLost(closing: CallClosing): CallClosing {
  const text = `${closing.text} An earlier attempt of this call was sent and lost; whether it took effect is not known.`;
  return { ...closing, status: 'unknown', text };
}

/** Where nobody knows. */
export const lostResult: CallClosing = {
  status: 'unknown',
  result: null,
  text: 'The call was sent, but its result was lost. Its effect may or may not have happened; it was not sent again.',
  error: {
    code: 'tool_error',
    message: 'The result of this call was lost after it was sent; whether its effect happened is not known.',
  },
};

/** Of a read-only call of which every attempt was lost. */
export const lostOften: CallClosing = {
  status: 'failed',
  result: null,
  text: `The result of this call was lost each time that it was sent, ${BEGUN_MAX} times; it is given up.`,
  error: {
    code: 'tool_error',
    message: `The result of this call was lost each time that it was sent, ${BEGUN_MAX} times.`,
  },
};
