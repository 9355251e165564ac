import { argumentsHash, toolHash } from '../../src/gate/hashes.ts';
import { onlySteps, type TurnLimits } from '../../src/protocol/turn-limits.ts';
import type { Db } from '../../src/store/db.ts';
import { decide } from '../../src/store/decisions.ts';
import type { Inspection } from '../../src/store/ledger-row.ts';
import { createSession } from '../../src/store/sessions.ts';
import { beginCall, type CallBeginning } from '../../src/store/tool-calls.ts';
import { mailTool, type WaitingCall, waitingCall } from './waiting-call.ts';

/** A `waitingCall` on a store, without anybody who listens. */
export async function storedCall(
  db: Db,
  options: Parameters<typeof waitingCall>[1] = {},
): Promise<WaitingCall> {
  const session = async () => (await createSession(db, { tenant: 't', userId: 'alice' })).id;
  return waitingCall({ db, worker: { publish: () => undefined }, session } as never, options);
}

/** One that alice has approved. */
export async function approvedCall(db: Db): Promise<WaitingCall> {
  const call = await storedCall(db);
  const { sessionId, toolCallId } = call;
  await decide(db, { sessionId, toolCallId, decidedBy: 'alice', approved: true, via: 'http' });
  return call;
}

/** Its last attempt is one of which nothing is heard any more. */
export async function lapse(db: Db, { toolCallId }: WaitingCall): Promise<void> {
  const sql = `update tool_calls set lease_until = now() - interval '1 second' where id = $1`;
  await db.query(sql, [toolCallId]);
}

/** Begins a `waitingCall` as `callTool` does, with a tool and a rule that are as they were, but for what `more` says. */
export async function beginWaiting(
  db: Db,
  call: WaitingCall,
  more: Partial<Inspection> & {
    asksFirst?: boolean;
    mayWait?: boolean;
    runId?: string;
    limits?: TurnLimits;
    /** Before this nothing is known of what is about to run. */
    told?: Promise<void>;
  } = {},
): Promise<CallBeginning> {
  const { sessionId, toolCallId, step } = call;
  const { rows } = await db.query('select terms from tool_calls where id = $1', [toolCallId]);
  const { asksFirst = false, mayWait = false, runId = step.runId, limits = onlySteps(25), ...others } = more;
  const { told = Promise.resolve(), ...now } = others;
  const inspect = (): Inspection => ({
    ...{ argumentsHash: argumentsHash({ to: 'bob@example.com' }), toolHash: toolHash(mailTool) },
    ...{ definition: mailTool, gate: 'ask', rule: 'big-mails', reason: 'big', terms: rows[0]?.terms },
    ...{ policyRevision: 'of-a-test', repeatability: null, unavailable: null, misfit: null },
    ...now,
  });
  const bounds = { leaseMs: 60_000, questionMs: 60_000, asksFirst, mayWait };
  return beginCall(db, {
    sessionId,
    toolCallId,
    runId,
    look: told.then(() => ({ limits, inspect })),
    ...bounds,
  });
}
