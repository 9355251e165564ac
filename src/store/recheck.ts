import { termsOf } from '../gate/approvers.ts';
import { termsHash } from '../gate/hashes.ts';
import type { AskedAgain } from '../protocol/frame-parts.ts';
import { askPeople } from './ask-people.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { auditGrantedRun, findGrant } from './grants.ts';
import type { Inspection, LedgerRow } from './ledger-row.ts';
import { mayHaveRun } from './lost-call.ts';
import { toStepCall } from './step-call.ts';
import type { StepCall } from './steps.ts';
import { keepDefinition } from './tool-definitions.ts';

/** Whether what waits is still what would run. */
export function isUnchanged(row: LedgerRow, now: Inspection): boolean {
  // Of a server that cannot be asked nothing new is known.
  const isSameTool = now.unavailable !== null || row.tool_hash === null || now.toolHash === row.tool_hash;
  return now.argumentsHash === row.arguments_hash && isSameTool;
}

/**
 * Whether exactly what is about to run was decided, as the policy wants it now.
 * @returns null if so, else why people are to be asked
 */
export async function whyNotDecided(tx: Tx, row: LedgerRow, now: Inspection): Promise<AskedAgain | null> {
  if (now.argumentsHash !== (row.approved_hash ?? row.arguments_hash)) return 'arguments_changed';
  const toolBefore = row.approved_tool ?? row.tool_hash;
  const isToolChanged = toolBefore !== null && toolBefore !== now.toolHash;
  if (isToolChanged && (row.status === 'waiting' || row.approved_hash !== null)) return 'tool_changed';
  if (now.gate === 'allow') return null;
  if (row.approved_hash !== null) {
    const terms = now.terms && termsHash(now.terms);
    return row.approved_terms === null || row.approved_terms === terms ? null : 'rule_changed';
  }
  if (row.grant_id === null) return 'rule_changed';
  return (await isGranted(tx, row, now)) ? null : 'grant_fell';
}

/** Where the grant that let it through has fallen, it runs under another that covers it, if there is one. */
async function isGranted(tx: Tx, row: LedgerRow, now: Inspection): Promise<boolean> {
  const { terms, toolHash, policyRevision } = now;
  if (terms === null || toolHash === null) return false;
  const { session_id: sessionId, id: toolCallId, requester_id: requesterId, grant_id: grantId } = row;
  const asked = { terms, termsHash: termsHash(terms), toolHash, policyRevision };
  const grant = await findGrant(tx, { sessionId, requesterId, grantId, ...asked });
  if (grant === null) return false;
  if (grant.id !== grantId) {
    await tx.query({
      name: 'change-grant',
      text: 'update tool_calls set grant_id = $2 where id = $1',
      values: [toolCallId, grant.id],
    });
    const { rule, argumentsHash } = now;
    await auditGrantedRun(tx, grant, { sessionId, toolCallId, rule, argumentsHash, toolHash });
  }
  return true;
}

const sentBefore = 'It was sent before, and its result was lost: whether it took effect is not known.';

/** Asks people about what is about to run: a new round, where there was one before. */
export async function askAboutNow(
  tx: Tx,
  row: LedgerRow,
  now: Inspection,
  because: AskedAgain,
): Promise<{ call: StepCall; events: NewEvent[] }> {
  // Where the policy allows it, and it is not what was proposed, somebody has to look all the same.
  const terms = now.terms ?? termsOf({ terms: null, rule: now.rule });
  if (now.definition && now.toolHash !== null) await keepDefinition(tx, now.toolHash, now.definition);
  const { id: toolCallId, tool, arguments: args, timeout_ms: timeoutMs } = row;
  const reason = mayHaveRun(row) ? `${now.reason} ${sentBefore}` : now.reason;
  const { gate, events } = await askPeople(tx, {
    toolCallId,
    sessionId: row.session_id,
    turnId: row.turn_id,
    requesterId: row.requester_id,
    tool,
    arguments: args,
    argumentsHash: now.argumentsHash,
    toolHash: now.toolHash,
    reason,
    terms,
    policyRevision: now.policyRevision,
    timeoutMs,
    round: row.gate === 'ask' ? row.round + 1 : row.round,
    level: 0,
    because,
  });
  const asked = { toolCallId, tool, arguments: args, timeoutMs, rule: terms.rule, reason };
  return { call: toStepCall({ ...asked, gate: 'ask' }, gate), events };
}
