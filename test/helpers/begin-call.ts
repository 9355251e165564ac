import { argumentsHash, toolHash } from '../../src/gate/hashes.ts';
import { onlySteps, type TurnLimits } from '../../src/protocol/turn-limits.ts';
import type { Db } from '../../src/store/db.ts';
import type { Inspection } from '../../src/store/ledger-row.ts';
import { beginCall, type CallBeginning } from '../../src/store/tool-calls.ts';
import { mailTool, type WaitingCall } from './waiting-call.ts';

/** Begins a `waitingCall` as `callTool` does, with a tool and a rule that are as they were, but for what `more` says. */
export async function beginWaiting(
  db: Db,
  call: WaitingCall,
  more: Partial<Inspection> & {
    asksFirst?: boolean;
    mayWait?: boolean;
    runId?: string;
    limits?: TurnLimits;
  } = {},
): Promise<CallBeginning> {
  const { sessionId, toolCallId, step } = call;
  const { rows } = await db.query('select terms from tool_calls where id = $1', [toolCallId]);
  const { asksFirst = false, mayWait = false, runId = step.runId, limits = onlySteps(25), ...now } = more;
  const inspect = (): Inspection => ({
    ...{ argumentsHash: argumentsHash({ to: 'bob@example.com' }), toolHash: toolHash(mailTool) },
    ...{ definition: mailTool, gate: 'ask', rule: 'big-mails', reason: 'big', terms: rows[0]?.terms },
    ...{ policyRevision: 'of-a-test', repeatable: null, unavailable: null, misfit: null },
    ...now,
  });
  const bounds = { leaseMs: 60_000, questionMs: 60_000, limits, asksFirst, mayWait };
  return beginCall(db, { sessionId, toolCallId, runId, inspect, ...bounds });
}
