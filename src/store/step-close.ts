import type { ToolDefinition } from '../gate/hashes.ts';
import type { ErrorBody } from '../protocol/errors.ts';
import type { GateDecision, Usage } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { insertAssistantMessage, streamEnd } from './assistant-message.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { deleteDraft } from './drafts.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { writeCalls } from './step-calls.ts';
import type { StepResult } from './steps.ts';
import type { DebugSource } from './turn-debug.ts';
import { finishTurn } from './turn-end.ts';
import { recordStep, type Spent } from './usage.ts';

/** A tool call that the model asked for, with the policy's decision on it. */
export interface ProposedCall {
  toolCallId: string;
  modelCallId: string;
  tool: string;
  arguments: Record<string, unknown>;
  argumentsHash: string;
  gate: GateDecision;
  rule: string;
  reason: string;
  /** What the rule that asks wants; null where nobody is asked. */
  terms: GateTerms | null;
  /** Of the policy that decided. */
  policyRevision: string;
  /** The tool as its server told of it, and its hash; null where there is none of that name. */
  definition: ToolDefinition | null;
  toolHash: string | null;
  /** Whether it may be sent again where its result is lost. */
  repeatable: boolean;
  /** Whether it has no effect for certain. */
  readOnly: boolean;
  timeoutMs: number;
  /** Set where the call cannot run and the model is to hear why. */
  refusal?: { status: 'denied' | 'failed'; text: string; error: ErrorBody } | undefined;
}

export interface StepClosing {
  sessionId: string;
  turnId: string;
  runId: string;
  step: number;
  attempt: number;
  messageId: string;
  content: string;
  thought: string;
  finishReason: string;
  usage: Usage | null;
  calls: ProposedCall[];
  /** The step was stopped from outside: what was said stays, and the turn ends here. */
  cancelled: boolean;
  /** What was asked, and how long its first piece of text or reasoning took. */
  model: string | null;
  firstTokenMs: number | null;
  spent: Spent;
  debug?: DebugSource | undefined;
}

/**
 * Closes a step in one transaction under the session's lock: assistant message, tool calls with their decisions,
 * events, and for the last step the turn's end. A turn that was cancelled meanwhile keeps its text and ends here. One
 * into which a message was steered that the model has not seen does not end: it answers no calls, and another step
 * follows.
 * @returns null when the turn, the run or the attempt is no longer the one that is closing
 */
export async function closeStep(
  db: Db,
  closing: StepClosing,
): Promise<{ result: StepResult; events: StoredEvent[] } | null> {
  return transaction(db, async (tx) => {
    const [, turn] = await Promise.all([lockSession(tx, closing.sessionId), findClosable(tx, closing)]);
    if (!turn) return null;
    if (turn.result) return { result: turn.result, events: [] };
    if (turn.cancel_requested || closing.cancelled) return endCancelled(tx, closing, turn);
    await writeMessage(tx, closing, turn);
    const streamed = streamEnd(closing);
    if (closing.calls.length === 0 && !turn.unheard) return endTurn(tx, closing, 'completed', [streamed]);
    const { calls, events } = await writeCalls(tx, closing, turn);
    const result: StepResult = { kind: 'calls', turnId: closing.turnId, userId: turn.user_id, calls };
    await Promise.all([saveMeasures(tx, closing), saveResult(tx, closing, result)]);
    return { result, events: await appendEvents(tx, closing.sessionId, [streamed, ...events]) };
  });
}

interface ClosableTurn {
  user_id: string;
  position: number;
  cancel_requested: boolean;
  rolled_back: boolean;
  unheard: boolean;
  result: StepResult | null;
}

async function findClosable(tx: Tx, closing: StepClosing): Promise<ClosableTurn | undefined> {
  const { rows } = await tx.query<ClosableTurn>({
    name: 'find-closable-step',
    text: `select t.user_id, t.position, s.result, t.cancel_requested_at is not null as cancel_requested,
             t.cancel_requested_at is not null and t.cancel_kind is not distinct from 'rollback' as rolled_back,
             exists (select 1 from messages m where m.session_id = t.session_id and m.position = t.position
                     and m.steered and m.step >= $3) as unheard
           from turns t join steps s on s.turn_id = t.id and s.step = $3
           where t.id = $1 and t.run_id = $2 and s.attempt = $4 and (t.status = 'running' or s.result is not null)`,
    values: [closing.turnId, closing.runId, closing.step, closing.attempt],
  });
  return rows[0];
}

async function writeMessage(tx: Tx, closing: StepClosing, turn: ClosableTurn): Promise<void> {
  await Promise.all([
    insertAssistantMessage(tx, { ...closing, position: turn.position }),
    deleteDraft(tx, closing.messageId),
  ]);
}

async function endCancelled(tx: Tx, closing: StepClosing, turn: ClosableTurn) {
  if (closing.content === '' || turn.rolled_back) return endTurn(tx, closing, 'cancelled', []);
  const cut = { ...closing, finishReason: 'cancelled' };
  await writeMessage(tx, cut, turn);
  return endTurn(tx, closing, 'cancelled', [streamEnd(cut)]);
}

async function endTurn(
  tx: Tx,
  closing: StepClosing,
  status: 'completed' | 'cancelled',
  before: NewEvent[],
): Promise<{ result: StepResult; events: StoredEvent[] }> {
  const { sessionId, turnId, debug } = closing;
  await saveMeasures(tx, closing);
  const { moreWaiting, events } = await finishTurn(tx, { sessionId, turnId, status, debug }, before);
  const result: StepResult = { kind: 'ended', turnId: closing.turnId, moreWaiting };
  await saveResult(tx, closing, result);
  return { result, events };
}

async function saveMeasures(tx: Tx, closing: StepClosing): Promise<void> {
  const usage = closing.usage ? JSON.stringify(closing.usage) : null;
  await Promise.all([
    recordStep(tx, closing),
    tx.query({
      name: 'save-step-measures',
      text: 'update steps set usage = $3, model = $4, first_token_ms = $5 where turn_id = $1 and step = $2',
      values: [closing.turnId, closing.step, usage, closing.model, closing.firstTokenMs],
    }),
  ]);
}

async function saveResult(tx: Tx, closing: StepClosing, result: StepResult): Promise<void> {
  await tx.query({
    name: 'save-step-result',
    text: 'update steps set result = $3 where turn_id = $1 and step = $2',
    values: [closing.turnId, closing.step, JSON.stringify(result)],
  });
}
