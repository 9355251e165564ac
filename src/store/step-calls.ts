import { termsOf } from '../gate/approvers.ts';
import { termsHash } from '../gate/hashes.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import { askPeople } from './ask-people.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { auditGrantedRun, findGrant, type StandingGrant } from './grants.ts';
import { toStepCall } from './step-call.ts';
import type { ProposedCall, StepClosing } from './step-close.ts';
import type { StepCall } from './steps.ts';
import { closeCall } from './tool-call-close.ts';
import { keepDefinition } from './tool-definitions.ts';

/**
 * Writes the calls of a step that closes into the ledger, each as the policy decided: refused ones get their result,
 * asked ones wait for people, or run under an approval that is remembered.
 */
export async function writeCalls(
  tx: Tx,
  closing: StepClosing,
  turn: { user_id: string; position: number },
): Promise<{ calls: StepCall[]; events: NewEvent[] }> {
  const calls: StepCall[] = [];
  const events: NewEvent[] = [];
  for (const [index, call] of closing.calls.entries()) {
    const written = await writeCall(tx, closing, turn, call, index + 1);
    calls.push(written.call);
    events.push(...written.events);
  }
  return { calls, events };
}

async function writeCall(
  tx: Tx,
  closing: StepClosing,
  turn: { user_id: string; position: number },
  call: ProposedCall,
  ordinal: number,
): Promise<{ call: StepCall; events: NewEvent[] }> {
  const { sessionId, turnId, step } = closing;
  const room = closing.calls.length;
  if (call.refusal) {
    await insertCall(tx, closing, call, { ordinal, grant: null });
    const row = {
      id: call.toolCallId,
      session_id: sessionId,
      turn_id: turnId,
      position: turn.position,
      step,
      ordinal,
    };
    const closed = await closeCall(tx, row, { ...call.refusal, result: null });
    const refused = { ...call, gate: 'deny' as const };
    return { call: toStepCall(refused, null, room), events: [callEvent(closing, refused), closed] };
  }
  const grant = call.gate === 'ask' ? await grantFor(tx, closing, turn.user_id, call) : null;
  await insertCall(tx, closing, call, { ordinal, grant });
  if (call.gate !== 'ask') return { call: toStepCall(call, null, room), events: [callEvent(closing, call)] };
  if (call.definition && call.toolHash !== null) await keepDefinition(tx, call.toolHash, call.definition);
  if (grant) return letThrough(tx, closing, call, grant);
  const { gate, events } = await askPeople(tx, {
    ...call,
    sessionId,
    turnId,
    requesterId: turn.user_id,
    terms: termsOf(call),
    round: 1,
    level: 0,
  });
  return { call: toStepCall(call, gate, room), events: [callEvent(closing, call), ...events] };
}

/** An approval that somebody gave before, for exactly this tool under exactly this policy. */
async function grantFor(
  tx: Tx,
  closing: StepClosing,
  requesterId: string,
  call: ProposedCall,
): Promise<StandingGrant | null> {
  const { terms, toolHash, policyRevision } = call;
  if (terms === null || toolHash === null) return null;
  const { sessionId } = closing;
  return findGrant(tx, {
    sessionId,
    requesterId,
    terms,
    termsHash: termsHash(terms),
    toolHash,
    policyRevision,
  });
}

async function letThrough(
  tx: Tx,
  closing: StepClosing,
  call: ProposedCall,
  grant: StandingGrant,
): Promise<{ call: StepCall; events: NewEvent[] }> {
  const where = grant.scope === 'session' ? 'for this session' : 'for good';
  const when = new Date(grant.grantedAt).toISOString();
  const reason = `${grant.grantedBy} allowed this tool ${where} at ${when}.`;
  await auditGrantedRun(tx, grant, { ...call, sessionId: closing.sessionId });
  const allowed = { ...call, gate: 'allow' as const, reason };
  return { call: toStepCall(allowed, null, closing.calls.length), events: [callEvent(closing, allowed)] };
}

async function insertCall(
  tx: Tx,
  closing: StepClosing,
  call: ProposedCall,
  at: { ordinal: number; grant: StandingGrant | null },
): Promise<void> {
  await tx.query({
    name: 'insert-tool-call',
    text: `insert into tool_calls (id, session_id, turn_id, step, ordinal, message_id, model_call_id, tool, arguments,
             arguments_hash, gate, rule, reason, repeatable, timeout_ms, status, tool_hash, policy_revision, grant_id, read_only)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'ready', $16, $17, $18, $19)`,
    values: [
      call.toolCallId,
      closing.sessionId,
      closing.turnId,
      closing.step,
      at.ordinal,
      closing.messageId,
      call.modelCallId,
      call.tool,
      JSON.stringify(call.arguments),
      call.argumentsHash,
      at.grant ? 'allow' : call.gate,
      call.rule,
      call.reason,
      call.repeatable,
      call.timeoutMs,
      call.toolHash,
      call.policyRevision,
      at.grant?.id ?? null,
      call.readOnly,
    ],
  });
}

function callEvent(closing: StepClosing, call: ProposedCall): NewEvent {
  return {
    key: `tool_call:${call.toolCallId}`,
    type: 'tool_call',
    turnId: closing.turnId,
    body: {
      tool_call_id: call.toolCallId,
      message_id: closing.messageId,
      tool: call.tool,
      arguments: call.arguments as EventBody<'tool_call'>['arguments'],
      gate: call.gate,
      rule: call.rule,
      reason: call.reason,
    },
  };
}
