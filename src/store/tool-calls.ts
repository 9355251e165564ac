import { setTimeout as delay } from 'node:timers/promises';
import { roundsMax } from '../gate/judge.ts';
import type { ToolResultStatus } from '../protocol/frame-parts.ts';
import { isOpen } from './call-status.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import { findLedgerRow, type LedgerCall, type LedgerRow, type Look, toLedgerCall } from './ledger-row.ts';
import { isUnderWay, passLimits, settleCallLimits } from './limits.ts';
import {
  afterAttempts,
  BEGUN_MAX,
  isUnasked,
  keepLost,
  lostOften,
  lostResult,
  mayHaveRun,
  saidOfLost,
  settleLost,
} from './lost-call.ts';
import { withdrawGate } from './open-call-end.ts';
import { withdrawQuestions } from './question-close.ts';
import { askAboutNow, isUnchanged, whyNotDecided } from './recheck.ts';
import type { OpenQuestion, StepCall } from './steps.ts';
import { type CallClosing, closeCall } from './tool-call-close.ts';
import type { DebugSource } from './turn-debug.ts';
import { finishTurn } from './turn-end.ts';
import { askedTooOften, cancelledBefore, misfitNow, obstacleIn } from './unrun-call.ts';
import { recordCall } from './usage.ts';

export type CallBeginning =
  | {
      kind: 'begin';
      /** When the lease was asked for, milliseconds since 1970. */
      since: number;
      call: LedgerCall;
      /** As it was inspected. */
      toolHash: string | null;
      attempt: number;
      repeatable: boolean;
      readOnly: boolean;
      /** An earlier attempt was sent and lost, and may have had its effect. */
      wasLost: boolean;
      events: StoredEvent[];
    }
  /** The call has its result (perhaps since just now). */
  | { kind: 'closed'; status: ToolResultStatus; events: StoredEvent[] }
  /** Nobody has decided yet. */
  | { kind: 'undecided' }
  /** What is about to run is not what was decided, or needs a decision after all: people are asked (again). */
  | { kind: 'asked'; call: StepCall; events: StoredEvent[] }
  /** The turn stands at a limit, or an earlier attempt was lost: the call is begun again when people have answered. */
  | { kind: 'question'; question: OpenQuestion; events: StoredEvent[] }
  /** It stood at a limit, and people did not let it go on: the turn ends with this. */
  | { kind: 'ended'; events: StoredEvent[] }
  /** Its server cannot be asked, which is why it does not begin; it may come back, and nothing was written. */
  | { kind: 'away'; why: string }
  /** An earlier attempt, or other calls that the turn's end waits for, may still be running for this long, milliseconds. */
  | { kind: 'leased'; forMs: number }
  /** The turn has ended or belongs to another run. */
  | { kind: 'refused' };

interface Beginning {
  sessionId: string;
  toolCallId: string;
  runId: string;
  leaseMs: number;
  /** Under way since a moment ago. */
  look: Promise<Look>;
  /** How long people have to answer a question, where the session does not say it. */
  questionMs: number;
  debug?: DebugSource | undefined;
  /** Whether the tool's server does nothing before it has the answers to what it asks. */
  asksFirst: boolean;
  /** Whether a call that people said should run may be begun later, where its server is away now. */
  mayWait: boolean;
}

/** A server that says at once what its tool is, is heard under the session's lock; no other may hold the session up. */
const LOCKED_LOOK_MS = 5;

/** The attempt that was lost stood at a question, so it had done nothing. */
function isHeld(row: LedgerRow, { asksFirst }: Beginning): boolean {
  return asksFirst && row.stands_at_question;
}

/**
 * Commits the intent to run a call, immediately before its request is written: only when it was allowed, or approved
 * for exactly these arguments, and policy does not deny it now. A call whose earlier attempt left an intent without a
 * result runs again only if it was repeatable and is; about any other a person is asked, once nothing of it can be running.
 */
export async function beginCall(db: Db, beginning: Beginning): Promise<CallBeginning> {
  // Heard here, because a call that has ended needs no look, and a rejection that nobody hears ends the process.
  beginning.look.catch(() => undefined);
  for (;;) {
    const begun = await tryToBegin(db, beginning);
    if (begun !== null) return begun;
    await beginning.look;
  }
}

/** @returns null, with nothing written, where it is not known yet what is about to run */
async function tryToBegin(db: Db, beginning: Beginning): Promise<CallBeginning | null> {
  return transaction(db, async (tx) => {
    const [, row] = await Promise.all([lockSession(tx, beginning.sessionId), findLedgerRow(tx, beginning)]);
    if (!row) return { kind: 'refused' };
    if (!isOpen(row.status)) {
      await markActed(tx, row.id);
      return { kind: 'closed', status: row.status, events: [] };
    }
    if (row.turn_status !== 'running' || row.turn_run_id !== beginning.runId) return { kind: 'refused' };
    if (row.status === 'running' && row.leased_ms > 0) return { kind: 'leased', forMs: row.leased_ms };
    const look = await Promise.race([beginning.look, delay(LOCKED_LOOK_MS, null, { ref: false })]);
    if (look === null) return null;
    const call = toLedgerCall(row);
    const now = look.inspect(call);
    if (now.repeatability !== null) await distrust(tx, row, now.repeatability);
    const isRunning = row.status === 'running' && !isHeld(row, beginning);
    const isLost = row.status === 'asking' || isRunning || (await isUnasked(tx, row));
    const isLostOften = isLost && !row.is_unsent && row.attempt >= BEGUN_MAX;
    if (isLostOften && row.read_only)
      return close(tx, row, row.cancel_requested ? cancelledBefore : lostOften);
    if (row.status === 'asking' || isLostOften || (isLost && !row.repeatable)) {
      const settled = await settle(tx, row, beginning.questionMs);
      if (settled) return settled;
    }
    // A call that nobody has decided is left to its gate, whatever the policy says now: it is looked at again then.
    if (row.status === 'waiting' && isUnchanged(row, now)) return { kind: 'undecided' };
    if (row.cancel_requested) return close(tx, row, afterAttempts(row, cancelledBefore));
    // What a person decided, or was sent before, is not given up because its server starts again at this moment.
    const isCounted = row.approved_hash !== null || mayHaveRun(row);
    if (now.unavailable !== null && isCounted && beginning.mayWait) {
      return { kind: 'away', why: now.unavailable };
    }
    const obstacle = obstacleIn(now);
    if (obstacle !== null) {
      // It could be repeated, but not now: whether an earlier attempt had its effect is not known.
      const lost = isLost && !row.read_only && (await settle(tx, row, beginning.questionMs));
      return lost || close(tx, row, afterAttempts(row, obstacle));
    }
    if (isLost) await keepLost(tx, row);
    const because = await whyNotDecided(tx, row, now);
    if (because !== null) {
      if (row.round >= roundsMax) return close(tx, row, afterAttempts(row, askedTooOften));
      await markActed(tx, row.id);
      const { call: asked, events } = await askAboutNow(tx, row, now, because);
      return { kind: 'asked', call: asked, events: await appendEvents(tx, row.session_id, events) };
    }
    if (now.misfit !== null) return close(tx, row, afterAttempts(row, misfitNow(now.misfit)));
    const holdOrBegin = async () =>
      (await holdAtLimit(tx, row, { ...beginning, ...look })) ??
      begin(tx, row, { call, toolHash: now.toolHash }, beginning.leaseMs);
    const [, begun] = await Promise.all([markActed(tx, row.id), holdOrBegin()]);
    return begun;
  });
}

/** The turn's calls are counted as they begin, one after the other under the session's lock; a repeated one counts once. */
async function holdAtLimit(
  tx: Tx,
  row: LedgerRow,
  beginning: Beginning & Look,
): Promise<CallBeginning | null> {
  const { limits, questionMs, sessionId, debug } = beginning;
  const isLimited = (limits.turn.tool_calls ?? limits.userDay.tool_calls) !== undefined;
  const isCounted = row.attempt > 0 && (row.was_lost || !row.is_unsent);
  if (isCounted || (!isLimited && row.limit_key === null)) return null;
  const { turn_id: turnId, requester_id: userId, limit_key: limitKey } = row;
  const at = { sessionId, turnId, userId, limits, limitKey, questionMs };
  const passage = await passLimits(tx, at, ['tool_calls'], { othersWait: true });
  if (passage.kind === 'free') {
    await settleCallLimits(tx, row);
    return null;
  }
  if (passage.kind === 'asked') {
    const events = await appendEvents(tx, sessionId, passage.events);
    return { kind: 'question', question: passage.question, events };
  }
  const { error, isMost } = passage;
  if (isMost && (await isUnderWay(tx, turnId))) return { kind: 'leased', forMs: beginning.leaseMs };
  const { events } = await finishTurn(tx, { sessionId, turnId, status: 'cancelled', error, debug });
  return { kind: 'ended', events };
}

/** Its server is trusted no more, or takes back what it said of its tool: from now on a lost attempt is asked about. */
async function distrust(
  tx: Tx,
  row: LedgerRow,
  now: { repeatable: boolean; readOnly: boolean },
): Promise<void> {
  if (row.repeatable <= now.repeatable && row.read_only <= now.readOnly) return;
  row.repeatable &&= now.repeatable;
  row.read_only &&= now.readOnly;
  await tx.query({
    name: 'distrust-call',
    text: 'update tool_calls set repeatable = $2, read_only = $3 where id = $1',
    values: [row.id, row.repeatable, row.read_only],
  });
}

/** @returns null where it is to be sent again */
async function settle(tx: Tx, row: LedgerRow, timeoutMs: number): Promise<CallBeginning | null> {
  if (row.cancel_requested) return close(tx, row, (await saidOfLost(tx, row)) ?? lostResult);
  const fate = await settleLost(tx, row, { timeoutMs });
  if (fate.kind === 'again') return null;
  await markActed(tx, row.id);
  if (fate.kind === 'closing') return close(tx, row, fate.closing);
  const { question, events } = fate;
  return { kind: 'question', question, events: await appendEvents(tx, row.session_id, events) };
}

/** The reconciler stops signalling a decision once the turn has acted on it. */
async function markActed(tx: Tx, toolCallId: string): Promise<void> {
  await tx.query({
    name: 'mark-decision-acted',
    text: 'update decisions set acted_at = now() where tool_call_id = $1 and acted_at is null',
    values: [toolCallId],
  });
}

async function close(tx: Tx, row: LedgerRow, closing: CallClosing): Promise<CallBeginning> {
  const gate = row.status === 'waiting' ? [await withdrawGate(tx, row, 'call_end')] : [];
  const event = await closeCall(tx, row, closing);
  const withdrawn = await withdrawQuestions(tx, { toolCallId: row.id });
  return {
    kind: 'closed',
    status: closing.status,
    events: await appendEvents(tx, row.session_id, [...gate, ...withdrawn, event]),
  };
}

async function begin(
  tx: Tx,
  row: LedgerRow,
  inspected: { call: LedgerCall; toolHash: string | null },
  leaseMs: number,
): Promise<CallBeginning> {
  const attempt = row.attempt + 1;
  const since = Date.now();
  const [, , events] = await Promise.all([
    recordCall(tx, row),
    tx.query({
      name: 'begin-call',
      text: `update tool_calls set status = 'running', attempt = $2,
               lease_until = clock_timestamp() + $3 * interval '1 millisecond' where id = $1`,
      values: [row.id, attempt, leaseMs],
    }),
    appendEvents(tx, row.session_id, [
      {
        key: `tool_started:${row.id}:${attempt}`,
        type: 'tool_started',
        turnId: row.turn_id,
        body: { tool_call_id: row.id, attempt },
      },
    ]),
  ]);
  const { repeatable, read_only: readOnly } = row;
  const wasLost = row.was_lost && !readOnly;
  return { kind: 'begin', since, ...inspected, attempt, repeatable, readOnly, wasLost, events };
}

/**
 * Renews the lease of a running attempt and reads whether its turn is to be cancelled.
 * @returns null when the lease is lost: the attempt must stop before it has an effect nobody counts
 */
export async function renewLease(
  db: Db,
  lease: { toolCallId: string; attempt: number; leaseMs: number },
): Promise<{ cancelRequested: boolean } | null> {
  const { rows } = await db.query<{ cancel_requested: boolean }>({
    name: 'renew-lease',
    text: `update tool_calls c set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
           from turns t
           where c.id = $1 and c.attempt = $2 and c.status = 'running' and c.lease_until > clock_timestamp()
             and t.id = c.turn_id
           returning t.cancel_requested_at is not null as cancel_requested`,
    values: [lease.toolCallId, lease.attempt, lease.leaseMs],
  });
  const row = rows[0];
  return row ? { cancelRequested: row.cancel_requested } : null;
}

/** Ends the lease of an attempt that is over and left the call open; once it is ended there is nothing to do. */
export async function endLease(
  db: Db,
  { toolCallId, attempt }: { toolCallId: string; attempt: number },
): Promise<void> {
  await db.query({
    name: 'end-lease',
    text: `update tool_calls set lease_until = null where id = $1 and attempt = $2 and status = 'running'`,
    values: [toolCallId, attempt],
  });
}
