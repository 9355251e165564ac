import { v7 as uuidv7 } from 'uuid';
import { levelAt, termsOf } from '../gate/approvers.ts';
import { argumentsHash as hashOf } from '../gate/hashes.ts';
import { judge } from '../gate/judge.ts';
import type { RememberScope } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import type { ApprovalOutcome, EventBody, StandingDecision } from '../protocol/server-frames.ts';
import { writeAudit } from './approval-audit.ts';
import { type Asking, askPeople } from './ask-people.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import {
  type DecisionRow,
  findDecision,
  findGate,
  findVotes,
  type GateRow,
  toGateState,
} from './gate-rows.ts';
import { giveGrant } from './grants.ts';
import { checkRight } from './participants.ts';
import { closeCall } from './tool-call-close.ts';
import { readSchema } from './tool-definitions.ts';

/** Says in a sentence what is wrong with arguments for a tool of this schema; null: nothing. */
export type CheckArguments = (
  schema: Record<string, unknown>,
  args: Record<string, unknown>,
) => string | null;

export interface Verdict {
  sessionId: string;
  toolCallId: string;
  outcome: Exclude<ApprovalOutcome, 'withdrawn'>;
  /** Who decided: a user's id, `operator`, or `turngate` for the timeout. */
  decidedBy: string;
  /** From where: `websocket`, `http`, `signal`, `timeout`; and the client's address. */
  via: string;
  address?: string | null | undefined;
  reason?: string | undefined;
  /** What is to run instead of what was asked for. */
  arguments?: Record<string, unknown> | undefined;
  remember?: RememberScope | undefined;
  /** What the person was shown. */
  argumentsHash?: string | undefined;
  toolHash?: string | undefined;
  round?: number | undefined;
  /** Looks at changed arguments; without it they are refused. */
  checkArguments?: CheckArguments | undefined;
}

export type Decided =
  | {
      kind: 'recorded';
      decisionId: string;
      turnId: string;
      decision: StandingDecision;
      events: StoredEvent[];
    }
  /** One of several approvals that are needed. */
  | { kind: 'voted'; turnId: string; approvals: number; needed: number; events: StoredEvent[] }
  | { kind: 'conflict'; decision: StandingDecision };

/**
 * A participant's decision on one tool call; see {@link recordVerdict}.
 * @throws PublicError as it does, and `forbidden` (their role may not, or the rule does not let them)
 */
export async function decide(
  db: Db,
  decision: Omit<Verdict, 'outcome'> & { approved: boolean },
): Promise<Decided> {
  const { approved, ...rest } = decision;
  const { sessionId, decidedBy: userId } = decision;
  return record(db, { ...rest, outcome: approved ? 'approved' : 'rejected' }, (tx) =>
    checkRight(tx, { sessionId, userId }, 'decide'),
  );
}

/**
 * Writes what somebody says of a tool call: the first decision of a round stands, whoever comes second. With it goes
 * `tool_approval_resolved`, and unless approved the call's result, all in one transaction. Here nobody is asked who
 * they are: operators and timeouts are not bound to a rule's approvers.
 * @throws PublicError `not_found` (no such call here), `conflict` (something else waits than what was shown, or
 * the call never waited), `validation_error` (changed arguments do not fit the tool)
 */
export async function recordVerdict(db: Db, verdict: Verdict): Promise<Decided> {
  return record(db, verdict, null);
}

/** @param check whether they may; asked under the session's lock */
async function record(db: Db, verdict: Verdict, check: ((tx: Tx) => Promise<void>) | null): Promise<Decided> {
  return transaction(db, async (tx) => {
    const { sessionId, toolCallId, decidedBy } = verdict;
    const [, , row, standing, votes] = await Promise.all([
      lockSession(tx, sessionId),
      check?.(tx),
      findGate(tx, { sessionId, toolCallId, userId: decidedBy }),
      findDecision(tx, toolCallId),
      findVotes(tx, toolCallId),
    ]);
    if (!row) throw new PublicError('not_found', 'There is no such tool call in this session.');
    const edited = verdict.arguments && (await checkEdit(tx, verdict, row, verdict.arguments));
    const judgement = judge(toGateState(row, standing, votes), {
      by: check && row.role ? { userId: decidedBy, role: row.role } : null,
      decidedBy,
      outcome: verdict.outcome,
      shown: verdict,
      editedHash: verdict.arguments && hashOf(verdict.arguments),
    });
    switch (judgement.kind) {
      case 'stands':
        return standing ? repeat(row, standing) : fault();
      case 'said_before':
        return voted(row, judgement, []);
      case 'conflict':
        return standing ? { kind: 'conflict', decision: toStanding(row, standing) } : fault();
      case 'stale':
        throw new PublicError('conflict', `${judgement.why}; look at the call again and decide anew.`);
      case 'forbidden':
        throw new PublicError('forbidden', judgement.why);
      case 'not_waiting':
        throw new PublicError('conflict', 'This tool call does not wait for an approval.');
      case 'votes':
        return vote(tx, verdict, row, { approvals: judgement.approvals, needed: judgement.needed });
      case 'asks_again':
        return askAgain(tx, verdict, row, edited ?? row.arguments, judgement.needed);
      case 'decides':
        return insertDecision(tx, verdict, row, edited);
    }
  });
}

function fault(): never {
  throw new Error('A gate was judged by a decision that is not there.');
}

/** What a person wants to run instead must be something that the tool takes. */
async function checkEdit(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  edited: Record<string, unknown>,
): Promise<Record<string, unknown> | undefined> {
  if (verdict.outcome !== 'approved') {
    throw new PublicError('validation_error', 'Field "arguments": only what is approved can be changed.');
  }
  // As it is already: perhaps sent again.
  if (hashOf(edited) === row.arguments_hash) return undefined;
  const schema = row.tool_hash === null ? null : await readSchema(tx, row.tool_hash);
  if (schema === null || verdict.checkArguments === undefined) {
    throw new PublicError(
      'validation_error',
      'Field "arguments": the schema of this tool is not known, so its arguments cannot be changed; approve or reject it as it is.',
    );
  }
  const problem = verdict.checkArguments(schema, edited);
  if (problem !== null) throw new PublicError('validation_error', `Field "arguments": ${problem}`);
  return edited;
}

function repeat(row: GateRow, standing: DecisionRow): Decided {
  const decision = toStanding(row, standing);
  return { kind: 'recorded', decisionId: standing.id, turnId: row.turn_id, decision, events: [] };
}

function toStanding(row: GateRow, decision: DecisionRow): StandingDecision {
  const isEdited = decision.shown_hash !== null && decision.shown_hash !== decision.arguments_hash;
  return {
    tool_call_id: row.id,
    decision: decision.decision,
    by: decision.decided_by,
    at: decision.at,
    ...(decision.reason === null ? {} : { reason: decision.reason }),
    ...(isEdited ? { arguments: row.arguments as StandingDecision['arguments'] } : {}),
  };
}

async function vote(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  count: { approvals: number; needed: number },
): Promise<Decided> {
  const event = await castVote(tx, verdict, row, count);
  return voted(row, count, await appendEvents(tx, row.session_id, [event]));
}

function voted(
  row: GateRow,
  { approvals, needed }: { approvals: number; needed: number },
  events: StoredEvent[],
): Decided {
  return { kind: 'voted', turnId: row.turn_id, approvals, needed, events };
}

async function castVote(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  { approvals, needed }: { approvals: number; needed: number },
): Promise<NewEvent> {
  const { rows } = await tx.query<{ at: number }>({
    name: 'cast-vote',
    text: `insert into votes (tool_call_id, round, user_id, arguments_hash, via, address)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (tool_call_id, round, user_id) do update set arguments_hash = excluded.arguments_hash
           returning voted_at as at`,
    values: [row.id, row.round, verdict.decidedBy, row.arguments_hash, verdict.via, verdict.address ?? null],
  });
  await audit(tx, verdict, row, 'voted', { approvals, needed });
  return {
    key: `approval_vote:${row.id}:${row.round}:${verdict.decidedBy}`,
    type: 'tool_approval_vote',
    turnId: row.turn_id,
    body: { tool_call_id: row.id, by: verdict.decidedBy, at: rows[0]?.at ?? 0, approvals, needed },
  };
}

/** Several are needed and one of them changed what is to run: the others have to see that, so a new round begins. */
async function askAgain(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  edited: Record<string, unknown>,
  needed: number,
): Promise<Decided> {
  await keepProposed(tx, verdict, row);
  const again = { ...row, arguments: edited, arguments_hash: hashOf(edited), round: row.round + 1 };
  await audit(tx, verdict, again, 'edited', { original_arguments: row.arguments, arguments: edited });
  const asked = await askPeople(tx, { ...toAsking(again), because: 'edited' });
  const first = await castVote(tx, verdict, again, { approvals: 1, needed });
  const events = await appendEvents(tx, row.session_id, [...asked.events, first]);
  return voted(row, { approvals: 1, needed }, events);
}

/** The call of a row, as it is to be asked about. */
export function toAsking(row: GateRow): Asking {
  return {
    toolCallId: row.id,
    sessionId: row.session_id,
    turnId: row.turn_id,
    requesterId: row.requester_id,
    tool: row.tool,
    arguments: row.arguments,
    argumentsHash: row.arguments_hash,
    toolHash: row.tool_hash,
    reason: row.reason,
    terms: termsOf(row),
    policyRevision: row.policy_revision,
    timeoutMs: row.timeout_ms,
    round: row.round,
    level: row.level,
  };
}

/** What the model asked for is kept beside what a person made of it. */
async function keepProposed(tx: Tx, verdict: Verdict, row: GateRow): Promise<void> {
  await tx.query({
    name: 'keep-proposed-arguments',
    text: `update tool_calls set proposed_arguments = coalesce(proposed_arguments, arguments), edited_by = $2 where id = $1`,
    values: [row.id, verdict.decidedBy],
  });
}

/** Nothing here waits for what comes before it, so that all of it goes to the store in one go. */
async function insertDecision(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  edited: Record<string, unknown> | undefined,
): Promise<Decided> {
  const id = uuidv7();
  const isEdited = edited !== undefined;
  const isApproved = verdict.outcome === 'approved';
  const runs = isEdited ? { ...row, arguments: edited, arguments_hash: hashOf(edited) } : row;
  const remembered = scopeToRemember(verdict, runs);
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
      ...(isEdited ? { arguments: edited, original_arguments: row.proposed_arguments ?? row.arguments } : {}),
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
  return closeCall(tx, row, { status: 'rejected', result: null, text, error: null });
}

async function audit(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  action: Parameters<typeof writeAudit>[1]['action'],
  more: Record<string, unknown>,
): Promise<void> {
  const { round, rule } = row;
  const hashes = { arguments_hash: row.arguments_hash, tool_hash: row.tool_hash };
  await writeAudit(tx, {
    sessionId: row.session_id,
    toolCallId: row.id,
    actor: verdict.decidedBy,
    via: verdict.via,
    address: verdict.address,
    action,
    body: { round, rule, policy_revision: row.policy_revision, ...hashes, ...more },
  });
}
