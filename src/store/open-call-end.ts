import { v7 as uuidv7 } from 'uuid';
import type { TurnEndStatus } from '../protocol/frame-parts.ts';
import { writeAudit } from './approval-audit.ts';
import type { OpenStatus } from './call-status.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { isUnsent, standsAtQuestion } from './gate-rows.ts';
import { mayHaveRun, type SentCall, saidOfLost } from './lost-call.ts';
import { type ClosingCall, closeCall } from './tool-call-close.ts';

interface OpenCallRow extends ClosingCall, SentCall {
  status: OpenStatus;
  arguments_hash: string;
  tool_hash: string | null;
  round: number;
}

/** Closes what a turn that ends leaves open, and withdraws its gates. */
export async function closeCalls(
  tx: Tx,
  ending: { turnId: string; status: TurnEndStatus },
): Promise<NewEvent[]> {
  const { rows } = await tx.query<OpenCallRow>({
    name: 'find-open-calls',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.status, c.arguments_hash, c.tool_hash, c.round, c.read_only, c.was_lost, c.attempt,
             ${isUnsent}, ${standsAtQuestion}, t.position
           from tool_calls c join turns t on t.id = c.turn_id
           where c.turn_id = $1 and c.status in ('waiting', 'ready', 'running', 'asking') order by c.step, c.ordinal`,
    values: [ending.turnId],
  });
  const events: NewEvent[] = [];
  for (const call of rows) {
    if (call.status === 'waiting') events.push(await withdrawGate(tx, call, 'turn_end'));
    const isSent = call.status === 'asking' || call.status === 'running';
    const lost = (isSent && !call.read_only) || mayHaveRun(call);
    const said = call.status === 'asking' ? await saidOfLost(tx, call) : null;
    const why = ending.status === 'cancelled' ? 'The turn was cancelled' : 'The turn ended';
    events.push(
      await closeCall(
        tx,
        call,
        said ?? {
          status: lost ? 'unknown' : 'cancelled',
          result: null,
          text: lost
            ? `${why} while this tool was running, or after a result of it was lost. It is not known whether its effect happened.`
            : `${why} before this tool call was finished.`,
          error: null,
        },
      ),
    );
  }
  return events;
}

/** Nobody can decide any more: the round gets its decision, so that whoever was asked hears of it. */
export async function withdrawGate(
  tx: Tx,
  call: Pick<OpenCallRow, 'id' | 'session_id' | 'turn_id' | 'arguments_hash' | 'tool_hash' | 'round'>,
  via: 'turn_end' | 'call_end',
): Promise<NewEvent> {
  const { rows } = await tx.query<{ at: number }>({
    name: 'withdraw-gate',
    text: `insert into decisions (id, tool_call_id, turn_id, arguments_hash, decision, decided_by, via, acted_at, round, shown_hash, tool_hash)
           values ($1, $2, $3, $4, 'withdrawn', 'turngate', $7, now(), $5, $4, $6) returning decided_at as at`,
    values: [uuidv7(), call.id, call.turn_id, call.arguments_hash, call.round, call.tool_hash, via],
  });
  await writeAudit(tx, {
    sessionId: call.session_id,
    toolCallId: call.id,
    actor: 'turngate',
    via,
    action: 'withdrawn',
    body: { round: call.round, arguments_hash: call.arguments_hash, tool_hash: call.tool_hash },
  });
  return {
    key: `approval_resolved:${call.id}:${call.round}`,
    type: 'tool_approval_resolved',
    turnId: call.turn_id,
    body: { tool_call_id: call.id, decision: 'withdrawn', by: 'turngate', at: rows[0]?.at ?? 0 },
  };
}
