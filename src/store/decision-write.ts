import { v7 as uuidv7 } from 'uuid';
import { levelAt, termsOf } from '../gate/approvers.ts';
import { PublicError } from '../protocol/errors.ts';
import type { StandingDecision } from '../protocol/live-frames.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Tx } from './db.ts';
import { appendEvents, type NewEvent } from './events.ts';
import type { DecisionRow, GateRow } from './gate-rows.ts';
import { giveGrant } from './grants.ts';
import { afterAttempts } from './lost-call.ts';
import { closeCall } from './tool-call-close.ts';
import { auditVerdict as audit, type Decided, type Verdict } from './verdict.ts';

/** @param row as it is to run; what was changed in an earlier round is shown as well */
export function toStanding(row: GateRow, decision: DecisionRow): StandingDecision {
  const isChangedHere = decision.shown_hash !== null && decision.shown_hash !== decision.arguments_hash;
  const isEdited = decision.decision === 'approved' && (isChangedHere || row.proposed_arguments !== null);
  return {
    tool_call_id: row.id,
    decision: decision.decision,
    by: decision.decided_by,
    at: decision.at,
    ...(decision.reason === null ? {} : { reason: decision.reason }),
    ...(isEdited ? { arguments: row.arguments as StandingDecision['arguments'] } : {}),
  };
}

/** What the model asked for is kept beside what a person made of it. */
export async function keepProposed(tx: Tx, verdict: Verdict, row: GateRow): Promise<void> {
  await tx.query({
    name: 'keep-proposed-arguments',
    text: `update tool_calls set proposed_arguments = coalesce(proposed_arguments, arguments), edited_by = $2 where id = $1`,
    values: [row.id, verdict.decidedBy],
  });
}

/**
 * The deciding row, and with it what follows: the event, the call's result unless approved, a grant. Nothing here waits
 * for what comes before it, so that all of it goes to the store in one go.
 * @param runs the row as it is to run: with what somebody made of its arguments
 */
export async function insertDecision(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  runs: GateRow,
): Promise<Decided> {
  const id = uuidv7();
  const isEdited = runs.arguments_hash !== row.arguments_hash;
  const isApproved = verdict.outcome === 'approved';
  const remembered = scopeToRemember(verdict, runs);
  verdict.onDeciding?.({ decisionId: id, turnId: row.turn_id });
  const decision = toStanding(runs, {
    id,
    decision: verdict.outcome,
    decided_by: verdict.decidedBy,
    reason: verdict.reason ?? null,
    at: row.now,
    arguments_hash: runs.arguments_hash,
    shown_hash: row.arguments_hash,
  });
  const outcome = isApproved ? [] : [await refuse(tx, verdict, row)];
  const [events] = await Promise.all([
    appendEvents(tx, verdict.sessionId, [resolvedEvent(row, decision, remembered), ...outcome]),
    isEdited ? keepProposed(tx, verdict, row) : null,
    writeDecision(tx, { id, verdict, row, runs }),
    audit(tx, verdict, runs, verdict.outcome, {
      ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
      ...(isEdited
        ? { arguments: runs.arguments, original_arguments: row.proposed_arguments ?? row.arguments }
        : {}),
    }),
    remembered && keepGrant(tx, verdict, runs, remembered),
    isApproved ? makeReady(tx, runs, isEdited) : null,
  ]);
  return { kind: 'recorded', decisionId: id, turnId: row.turn_id, decision, events };
}

async function writeDecision(
  tx: Tx,
  { id, verdict, row, runs }: { id: string; verdict: Verdict; row: GateRow; runs: GateRow },
): Promise<void> {
  await tx.query({
    name: 'insert-decision',
    text: `insert into decisions (id, tool_call_id, turn_id, arguments_hash, decision, decided_by, via, reason, round,
             shown_hash, tool_hash, terms_hash, address)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    values: [
      id,
      row.id,
      row.turn_id,
      runs.arguments_hash,
      verdict.outcome,
      verdict.decidedBy,
      verdict.via,
      verdict.reason ?? null,
      row.round,
      row.arguments_hash,
      row.tool_hash,
      row.terms_hash,
      verdict.address ?? null,
    ],
  });
}

function resolvedEvent(
  row: GateRow,
  decision: StandingDecision,
  remembered: 'session' | 'always' | null,
): NewEvent {
  const original = row.proposed_arguments ?? row.arguments;
  return {
    key: `approval_resolved:${row.id}:${row.round}`,
    type: 'tool_approval_resolved',
    turnId: row.turn_id,
    body: {
      ...decision,
      ...(decision.arguments === undefined
        ? {}
        : { original_arguments: original as EventBody<'tool_approval_resolved'>['original_arguments'] }),
      ...(remembered === null ? {} : { remember: remembered }),
    },
  };
}

const scopes = ['once', 'session', 'always'] as const;

/** @throws PublicError `validation_error` where the rule does not let it be remembered */
function scopeToRemember(verdict: Verdict, row: GateRow): 'session' | 'always' | null {
  const { remember: scope = 'once', outcome } = verdict;
  if (scope === 'once') return null;
  const terms = termsOf(row);
  const needed = levelAt(terms, row.level).needed;
  const why =
    outcome !== 'approved'
      ? 'only an approval can be remembered'
      : needed > 1
        ? `this call needs ${needed} people each time`
        : scopes.indexOf(scope) > scopes.indexOf(terms.remember)
          ? `the rule "${terms.rule}" lets it be remembered at most for "${terms.remember}"`
          : row.tool_hash === null || row.policy_revision === null || row.terms_hash === null
            ? 'it is not known exactly what the tool is'
            : null;
  if (why !== null) throw new PublicError('validation_error', `Field "remember": ${why}.`);
  return scope;
}

async function keepGrant(tx: Tx, verdict: Verdict, row: GateRow, scope: 'session' | 'always'): Promise<void> {
  const id = await giveGrant(tx, { row, scope, by: verdict.decidedBy });
  await audit(tx, verdict, row, 'granted', { grant_id: id, scope, for_user: row.requester_id });
}

async function makeReady(tx: Tx, row: GateRow, isEdited: boolean): Promise<void> {
  await tx.query({
    name: 'make-call-ready',
    text: `update tool_calls set status = 'ready', remind_at = null,
             arguments = case when $2 then $3::jsonb else arguments end,
             arguments_hash = case when $2 then $4 else arguments_hash end where id = $1`,
    values: [row.id, isEdited, JSON.stringify(row.arguments), row.arguments_hash],
  });
}

async function refuse(tx: Tx, verdict: Verdict, row: GateRow): Promise<NewEvent> {
  const why = verdict.reason ? ` Reason given: ${verdict.reason}` : '';
  const text =
    verdict.outcome === 'expired'
      ? 'Nobody approved this call in time, so it was not run.'
      : `A person rejected this call, so it was not run.${why}`;
  return closeCall(tx, row, afterAttempts(row, { status: 'rejected', result: null, text, error: null }));
}
