import { v7 as uuidv7 } from 'uuid';
import type { GateDecision, InputKind } from '../protocol/frame-parts.ts';
import type { TurnLimits } from '../protocol/turn-limits.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transactionAhead } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { type HistoryMessage, readHistory } from './history.ts';
import type { Passage } from './limits.ts';
import { readMisfits } from './misfits.ts';
import type { SessionConfig } from './sessions.ts';
import { passed, passStepLimits } from './step-limits.ts';
import type { DebugSource } from './turn-debug.ts';
import { finishTurn, type TurnEnding } from './turn-end.ts';

/** A step that ends its worker each time must not do so for ever; a few restarts are nobody's fault. */
const LOST_ATTEMPTS_MAX = 20;

/** A tool call as the workflow (and with it the operator) sees it. */
export interface StepCall {
  toolCallId: string;
  tool: string;
  /** JSON, cut at a bound. */
  arguments: string;
  gate: GateDecision;
  rule: string;
  reason: string;
  timeoutMs: number;
  /** Of a call that waits, from when it was answered: how long until somebody has to look at the gate; never longer than `timeoutMs`. */
  dueInMs?: number;
  /** When the gate expires, or goes on to others, milliseconds since 1970. */
  expiresAt?: number;
  /** The users who may decide, and how many of them have to approve. */
  approvers?: string[];
  needed?: number;
  /** Who of them has approved so far. */
  approvedBy?: string[];
  /** How often it was escalated, and how often it was asked about. */
  level?: number;
  round?: number;
}

/** What a step answers its workflow; kept in the step's row, so that it can be answered again. */
export type StepResult =
  | { kind: 'calls'; turnId: string; userId: string; calls: StepCall[] }
  | { kind: 'ended'; turnId: string; moreWaiting: boolean };

/** A question to people that has to be answered before the work goes on. */
export interface OpenQuestion {
  requestId: string;
  kind: InputKind;
  message: string;
  /** Milliseconds since 1970. */
  expiresAt?: number;
  /** The users who may answer. */
  answerers?: string[];
}

export interface OpenStep {
  kind: 'open';
  turnId: string;
  userId: string;
  agent: string;
  /** null where the session is gone. */
  tenant: string | null;
  config: SessionConfig;
  messageId: string;
  attempt: number;
  history: HistoryMessage[];
  /** How often in a row the turn's last calls of a tool had wrong arguments, by `server.tool`. */
  misfits: ReadonlyMap<string, number>;
}

export type StepOpening =
  | OpenStep
  | { kind: 'closed'; result: StepResult }
  /** The turn stands at a limit: the same step is opened again when people have answered. */
  | { kind: 'question'; turnId: string; userId: string; question: OpenQuestion }
  /** The turn has ended or belongs to another run: this run has nothing to do with it any more. */
  | { kind: 'refused' }
  /** No turn waits. */
  | { kind: 'nothing' }
  /** Another run's turn is still running; the reconciler ends it when that run is closed. */
  | { kind: 'busy' };

interface Input {
  sessionId: string;
  runId: string;
  workflowId: string;
  step: number;
  historyMessages: number;
  limits: TurnLimits;
  /** How long people have to answer where a limit is reached. */
  questionMs: number;
  debug?: DebugSource | undefined;
}

interface ClaimRow {
  id: string;
  user_id: string;
  position: number;
  status: string;
  cancel_requested: boolean;
  limit_key: string | null;
}

interface StepRow {
  message_id: string;
  attempt: number;
  failures: number;
  result: StepResult | null;
}

/**
 * Opens a step: claims the run's turn, counts the attempt and reads the history in one transaction under the session's
 * lock. Answers before the commit has returned, so that the model request overlaps it; nothing may be shown before
 * `committed` settles.
 */
export async function openStep(
  db: Db,
  input: Input,
): Promise<{ opening: StepOpening; committed: Promise<StoredEvent[]> }> {
  const { value, committed } = await transactionAhead(db, async (tx) => {
    const [, session, mine, step, other, next] = await Promise.all([
      lockSession(tx, input.sessionId),
      findSession(tx, input.sessionId),
      findTurn(tx, `run_id = $2`, [input.sessionId, input.runId]),
      findStep(tx, input),
      findTurn(tx, `status = 'running' and run_id <> $2`, [input.sessionId, input.runId]),
      findTurn(tx, `status = 'queued' order by position limit 1`, [input.sessionId]),
    ]);
    if (step?.result) return done({ kind: 'closed', result: step.result });
    if (mine && mine.status !== 'running') return done({ kind: 'refused' });
    // A run that was reset into the middle of a turn must not go on with another one from there.
    if (!mine && input.step > 1) return done({ kind: 'refused' });
    const turn = mine ?? next;
    if (!turn) return done({ kind: 'nothing' });
    if (other) return done({ kind: 'busy' });
    if (turn.cancel_requested) return endAtOpening(tx, input, turn, { status: 'cancelled' });
    const lost = (step?.attempt ?? 0) - (step?.failures ?? 0);
    if (lost > LOST_ATTEMPTS_MAX) return endAtOpening(tx, input, turn, tooManyLost(lost));
    const passage = step ? passed : await passStepLimits(tx, input, turn);
    if (passage.kind === 'asked') return askAtOpening(tx, input, turn, passage);
    if (passage.kind === 'over') return endAtOpening(tx, input, turn, { ...passage, status: 'cancelled' });
    return takeAttempt(tx, input, turn, step, session, passage.granted);
  });
  const events = committed.then(() => value.events);
  // Heard here as well: what the caller does first may fail before it awaits this.
  events.catch(() => undefined);
  return { opening: value.opening, committed: events };
}

interface Opened {
  opening: StepOpening;
  events: StoredEvent[];
}

function done(opening: StepOpening): Opened {
  return { opening, events: [] };
}

type SessionPart = Pick<OpenStep, 'agent' | 'tenant' | 'config'>;

async function findSession(tx: Tx, sessionId: string): Promise<SessionPart> {
  const { rows } = await tx.query<SessionPart>({
    name: 'find-session-config',
    text: 'select agent, tenant, config from sessions where id = $1',
    values: [sessionId],
  });
  return rows[0] ?? { agent: 'default', tenant: null, config: {} };
}

async function findTurn(tx: Tx, where: string, values: string[]): Promise<ClaimRow | undefined> {
  const { rows } = await tx.query<ClaimRow>({
    name: `find-turn ${where.slice(0, 40)}`,
    text: `select id, user_id, position, status, cancel_requested_at is not null as cancel_requested, limit_key
           from turns where session_id = $1 and ${where}`,
    values,
  });
  return rows[0];
}

async function findStep(tx: Tx, input: Input): Promise<StepRow | undefined> {
  const { rows } = await tx.query<StepRow>({
    name: 'find-step',
    text: `select s.message_id, s.attempt, s.failures, s.result from steps s join turns t on t.id = s.turn_id
           where t.run_id = $1 and s.step = $2`,
    values: [input.runId, input.step],
  });
  return rows[0];
}

function tooManyLost(attempts: number): Pick<TurnEnding, 'status' | 'error'> {
  const message = `The step was begun ${attempts} times, and each time its worker stopped before it was done; look at the workers' logs.`;
  return { status: 'failed', error: { code: 'processing_error', message } };
}

/** The turn is this run's from here on, though no step of it has begun: so it can be cancelled, and is asked once. */
async function askAtOpening(
  tx: Tx,
  input: Input,
  turn: ClaimRow,
  asked: Extract<Passage, { kind: 'asked' }>,
): Promise<Opened> {
  const [, events] = await Promise.all([
    claimTurn(tx, input, turn.id, 0),
    appendEvents(tx, input.sessionId, [startedEvent(input, turn.id), ...asked.events]),
  ]);
  const { question } = asked;
  return { opening: { kind: 'question', turnId: turn.id, userId: turn.user_id, question }, events };
}

async function endAtOpening(
  tx: Tx,
  input: Input,
  turn: ClaimRow,
  ending: Pick<TurnEnding, 'status' | 'error'>,
): Promise<Opened> {
  const { moreWaiting, events } = await finishTurn(tx, {
    sessionId: input.sessionId,
    turnId: turn.id,
    debug: input.debug,
    ...ending,
  });
  return { opening: { kind: 'closed', result: { kind: 'ended', turnId: turn.id, moreWaiting } }, events };
}

async function takeAttempt(
  tx: Tx,
  input: Input,
  turn: ClaimRow,
  step: StepRow | undefined,
  session: SessionPart,
  grantedSteps: number,
): Promise<Opened> {
  const attempt = (step?.attempt ?? 0) + 1;
  const messageId = step?.message_id ?? uuidv7();
  const claimed = claimTurn(tx, input, turn.id, grantedSteps);
  const counted = tx.query({
    name: 'count-attempt',
    text: `insert into steps (turn_id, step, message_id, attempt) values ($1, $2, $3, $4)
           on conflict (turn_id, step) do update set attempt = excluded.attempt`,
    values: [turn.id, input.step, messageId, attempt],
  });
  const appended = appendEvents(tx, input.sessionId, openingEvents(input, turn.id, messageId, attempt));
  const heard = attempt > 1 ? hearSteered(tx, input, turn) : undefined;
  const read = readHistory(tx, {
    sessionId: input.sessionId,
    position: turn.position,
    limit: input.historyMessages,
  });
  const misfitting = input.step > 1 ? readMisfits(tx, turn.id) : new Map<string, number>();
  const [, , , events, history, misfits] = await Promise.all([
    ...([claimed, counted, heard] as const),
    ...([appended, read, misfitting] as const),
  ]);
  const open = { turnId: turn.id, userId: turn.user_id, messageId, attempt, history, misfits };
  return { opening: { kind: 'open', ...session, ...open }, events };
}

async function claimTurn(tx: Tx, input: Input, turnId: string, grantedSteps: number): Promise<void> {
  await tx.query({
    name: 'claim-turn',
    text: `update turns set status = 'running', run_id = $2, max_steps = greatest(max_steps, $3), started_at = coalesce(started_at, now()),
             next_check_at = case when status = 'queued' then now() + interval '60 seconds' else next_check_at end
           where id = $1`,
    values: [turnId, input.runId, input.limits.turn.steps + grantedSteps],
  });
}

/** What was steered into an attempt that failed is heard by the next one: its place is before this step's answer. */
async function hearSteered(tx: Tx, input: Input, turn: ClaimRow): Promise<void> {
  await tx.query({
    name: 'hear-steered',
    text: 'update messages set step = $3 - 1 where session_id = $1 and position = $2 and steered and step >= $3',
    values: [input.sessionId, turn.position, input.step],
  });
}

function openingEvents(input: Input, turnId: string, messageId: string, attempt: number): NewEvent[] {
  const body = { message_id: messageId, attempt };
  const key = `stream:${messageId}:${attempt}`;
  return [
    startedEvent(input, turnId),
    attempt === 1 ? { key, type: 'stream_start', turnId, body } : { key, type: 'stream_reset', turnId, body },
  ];
}

function startedEvent(input: Input, turnId: string): NewEvent {
  const body = { workflow_id: input.workflowId, run_id: input.runId };
  return { key: `turn_started:${turnId}`, type: 'turn_started', turnId, body };
}
