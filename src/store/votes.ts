import { askPeople } from './ask-people.ts';
import type { Tx } from './db.ts';
import { keepProposed } from './decision-write.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { type GateRow, toAsking } from './gate-rows.ts';
import { auditVerdict as audit, type Decided, type Verdict } from './verdict.ts';

/** One of several approvals that are needed. */
export async function vote(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  count: { approvals: number; needed: number },
): Promise<Decided> {
  const event = await castVote(tx, verdict, row, count);
  return voted(row, count, await appendEvents(tx, row.session_id, [event]));
}

export function voted(
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
export async function askAgain(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  runs: GateRow,
  needed: number,
): Promise<Decided> {
  await keepProposed(tx, verdict, row);
  const again = { ...runs, round: row.round + 1 };
  const original = row.proposed_arguments ?? row.arguments;
  await audit(tx, verdict, again, 'edited', { original_arguments: original, arguments: runs.arguments });
  const asked = await askPeople(tx, { ...toAsking(again), because: 'edited' });
  const first = await castVote(tx, verdict, again, { approvals: 1, needed });
  const events = await appendEvents(tx, row.session_id, [...asked.events, first]);
  return voted(row, { approvals: 1, needed }, events);
}
