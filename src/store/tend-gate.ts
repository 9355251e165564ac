import { approversAmong, levelAt, termsOf } from '../gate/approvers.ts';
import { writeAudit } from './approval-audit.ts';
import { askPeople } from './ask-people.ts';
import { type Db, lockSession, type Tx, transaction } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { findGate, findVotes, type GateRow, toAsking } from './gate-rows.ts';
import { readParticipants } from './participants.ts';
import { type GateTimes, toStepCall } from './step-call.ts';
import type { StepCall } from './steps.ts';

export type Tended =
  /** It waits on, as `call` says. */
  | { kind: 'waiting'; call: StepCall; events: StoredEvent[] }
  /** Nobody decided in time, and nobody else is to be asked. */
  | { kind: 'expired'; round: number }
  /** It does not wait any more. */
  | { kind: 'decided' };

/**
 * Does what is due at a gate, by the store's clock: reminds those who are asked, or asks others where nobody decided in
 * time. Done twice, it happens once. That a gate is to expire is only said: the verdict goes the way of all verdicts.
 */
export async function tendGate(db: Db, at: { sessionId: string; toolCallId: string }): Promise<Tended> {
  return transaction(db, async (tx) => {
    const [, row, due] = await Promise.all([
      lockSession(tx, at.sessionId),
      findGate(tx, { ...at, userId: 'turngate' }),
      readTimes(tx, at.toolCallId),
    ]);
    if (row?.status !== 'waiting' || !due) return { kind: 'decided' };
    if (due.expires_in_ms <= 0) {
      const terms = termsOf(row);
      return row.level + 1 < terms.levels.length ? escalate(tx, row) : { kind: 'expired', round: row.round };
    }
    if (due.remind_in_ms !== null && due.remind_in_ms <= 0) return remind(tx, row);
    const gate = await gateTimes(tx, row, due.expires_in_ms, due.remind_in_ms);
    return { kind: 'waiting', call: callOf(row, gate), events: [] };
  });
}

interface Times {
  expires_in_ms: number;
  remind_in_ms: number | null;
}

async function readTimes(tx: Tx, toolCallId: string): Promise<Times | undefined> {
  const { rows } = await tx.query<Times>({
    name: 'read-gate-times',
    text: `select ceil(extract(epoch from expires_at - now()) * 1000)::bigint as expires_in_ms,
             ceil(extract(epoch from remind_at - now()) * 1000)::bigint as remind_in_ms
           from tool_calls where id = $1`,
    values: [toolCallId],
  });
  return rows[0];
}

async function escalate(tx: Tx, row: GateRow): Promise<Tended> {
  const asking = { ...toAsking(row), level: row.level + 1, because: 'escalated' as const };
  const { gate, events } = await askPeople(tx, asking);
  await audit(tx, row, 'escalated', { level: asking.level });
  const stored = await appendEvents(tx, row.session_id, events);
  return { kind: 'waiting', call: callOf(row, gate), events: stored };
}

async function remind(tx: Tx, row: GateRow): Promise<Tended> {
  const number = row.reminded + 1;
  const every = levelAt(termsOf(row), row.level).remindEveryMs;
  await tx.query({
    name: 'note-reminder',
    text: `update tool_calls set reminded = $2, remind_at = now() + $3::bigint * interval '1 millisecond' where id = $1`,
    values: [row.id, number, every],
  });
  const times = await readTimes(tx, row.id);
  const gate = await gateTimes(tx, row, times?.expires_in_ms ?? 0, times?.remind_in_ms ?? null);
  await audit(tx, row, 'reminded', { number });
  const event: NewEvent = {
    key: `approval_reminder:${row.id}:${row.round}:${row.level}:${number}`,
    type: 'tool_approval_reminder',
    turnId: row.turn_id,
    body: { tool_call_id: row.id, number, expires_at: gate.expiresAt, approvers: gate.approvers },
  };
  return {
    kind: 'waiting',
    call: callOf(row, gate),
    events: await appendEvents(tx, row.session_id, [event]),
  };
}

async function gateTimes(
  tx: Tx,
  row: GateRow,
  expiresInMs: number,
  remindInMs: number | null,
): Promise<GateTimes> {
  const participants = await readParticipants(tx, row.session_id);
  const terms = termsOf(row);
  const { level, round, requester_id: requesterId } = row;
  return {
    approvers: approversAmong({ terms, level, requesterId }, participants),
    needed: levelAt(terms, level).needed,
    approvedBy: (await findVotes(tx, row.id)).map(({ user_id }) => user_id),
    level,
    round,
    expiresAt: row.expires_at ?? 0,
    dueInMs: Math.max(1, Math.min(expiresInMs, remindInMs ?? expiresInMs)),
  };
}

function callOf(row: GateRow, gate: GateTimes): StepCall {
  const { id: toolCallId, tool, arguments: args, rule, reason, timeout_ms: timeoutMs } = row;
  return toStepCall({ toolCallId, tool, arguments: args, gate: 'ask', rule, reason, timeoutMs }, gate);
}

async function audit(
  tx: Tx,
  row: GateRow,
  action: 'reminded' | 'escalated',
  body: Record<string, unknown>,
): Promise<void> {
  const { session_id: sessionId, id: toolCallId, round } = row;
  const record = { sessionId, toolCallId, actor: 'turngate', via: 'timeout', action };
  await writeAudit(tx, { ...record, body: { round, ...body } });
}
