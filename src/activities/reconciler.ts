import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { LivePlane } from '../live/port.ts';
import { publishEvents } from '../live/publish-events.ts';
import { expireQuestions } from '../store/question-close.ts';
import {
  findRunningAmong,
  hastenWakes,
  type RunningTurn,
  retrySoon,
  takeDueCancels,
  takeDueDecisions,
  takeDueInputs,
  takeDueRunning,
  takeDueWakes,
  type Untold,
} from '../store/reconcile.ts';
import type { DebugSource } from '../store/turn-debug.ts';
import { endRunningTurn } from '../store/turns.ts';
import { describeRun, listClosedRuns } from '../temporal/closed-runs.ts';
import type { TurnClient } from '../temporal/turn-client.ts';
import { type SweepDeps, Sweeps } from './sweeps.ts';

const ROUND_MS = 1_000;
/** Rows of each kind that one round moves. */
const ROWS_PER_ROUND = 50;
const DESCRIBES_PER_ROUND = 10;
/** Visibility may lag and clocks differ: every round looks back this far. */
const LOOK_BACK_MS = 60_000;

export interface ReconcilerDeps extends SweepDeps {
  live: LivePlane;
  client: Client;
  turns: TurnClient;
  debug: DebugSource | undefined;
}

/** Makes each row that stands alone move on. Runs in every worker; the rows are shared by `skip locked`. */
export class Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #sweeps: Sweeps;
  readonly #stopped = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** When the last round was through, milliseconds since 1970. */
  roundedAt = Date.now();

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#sweeps = new Sweeps(deps);
  }

  start(): void {
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      // A call that is under way when the worker stops ends with it, also where Temporal does not answer.
      await this.#deps.client.withAbortSignal(this.#stopped.signal, () => this.round());
      this.roundedAt = Date.now();
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#stopped.signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ROUND_MS);
        this.#stopped.signal.addEventListener('abort', done);
        if (this.#stopped.signal.aborted) done();
      });
    }
  }

  /** One look at everything. A part that fails is logged and looked at again in the next round. */
  async round(): Promise<void> {
    await this.#part('wakes', () => this.#wakes());
    await this.#part('decisions', () => this.#decisions());
    await this.#part('questions', () => this.#questions());
    await this.#part('cancels', () => this.#cancels());
    await this.#part('closed runs', () => this.#closedRuns());
    await this.#part('running turns', () => this.#runningTurns());
    for (const { what, run } of this.#sweeps.due()) await this.#part(what, run);
  }

  async #part(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    try {
      await work();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#deps.logger.warn({ err: error }, `reconciling ${what} failed; the next round tries again`);
    }
  }

  async #wakes(): Promise<void> {
    for (const turn of await takeDueWakes(this.#deps.db, ROWS_PER_ROUND)) {
      await this.#orSoon({ turnIds: [turn.turnId] }, () => this.#deps.turns.wake(turn));
    }
  }

  async #decisions(): Promise<void> {
    for (const due of await takeDueDecisions(this.#deps.db, ROWS_PER_ROUND)) {
      const payload = {
        tool_call_id: due.toolCallId,
        approved: due.approved,
        decision_id: due.decisionId,
      };
      await this.#orSoon({ decisionIds: [due.decisionId] }, () =>
        this.#deps.turns.approval(due.sessionId, payload),
      );
    }
  }

  /** Those whose time is up are answered, and those that are answered are told. */
  async #questions(): Promise<void> {
    const { db, live, turns } = this.#deps;
    const told = async (sessionId: string, requestId: string) => {
      const tell = () => turns.input(sessionId, { request_id: requestId });
      await this.#orSoon({ requestIds: [requestId] }, tell);
    };
    for (const { sessionId, turnId, requestId, events } of await expireQuestions(db, ROWS_PER_ROUND)) {
      publishEvents(live, sessionId, events);
      live.nudge({ kind: 'input', turnId });
      await told(sessionId, requestId);
    }
    for (const { sessionId, requestId } of await takeDueInputs(db, ROWS_PER_ROUND)) {
      await told(sessionId, requestId);
    }
  }

  async #cancels(): Promise<void> {
    for (const turn of await takeDueCancels(this.#deps.db, ROWS_PER_ROUND)) {
      this.#deps.live.nudge({ kind: 'cancel', turnId: turn.turnId });
      await this.#orSoon({ turnIds: [turn.turnId] }, () =>
        this.#deps.turns.cancel(turn.sessionId, turn.turnId),
      );
    }
  }

  /** What did not get through is due again in two seconds, not in its doubled time. */
  async #orSoon(rows: Untold, work: () => Promise<void>): Promise<void> {
    // What is left is due again later, for whoever runs then.
    if (this.#stopped.signal.aborted) return;
    try {
      await work();
    } catch (error) {
      this.#deps.logger.warn({ err: error, ...rows }, 'a session could not be signalled; trying again soon');
      await retrySoon(this.#deps.db, rows);
    }
  }

  async #closedRuns(): Promise<void> {
    const since = new Date(Date.now() - LOOK_BACK_MS);
    const closed = await listClosedRuns(this.#deps.client, since, 1_000);
    if (closed.length === 0) return;
    const how = new Map(closed.map((run) => [run.runId, run.how]));
    for (const turn of await findRunningAmong(this.#deps.db, [...how.keys()])) {
      await this.#end(turn, how.get(turn.runId) ?? 'closed');
    }
    await hastenWakes(this.#deps.db, [...new Set(closed.map((run) => run.sessionId))]);
  }

  async #runningTurns(): Promise<void> {
    for (const turn of await takeDueRunning(this.#deps.db, DESCRIBES_PER_ROUND)) {
      await this.#orSoon({ turnIds: [turn.turnId] }, async () => {
        const how = await describeRun(this.#deps.client, turn.sessionId, turn.runId);
        if (how !== null) await this.#end(turn, how);
      });
    }
  }

  /** A reset leaves an open run behind that waits at the gates of the turn that was ended: it is to look. */
  async #releaseResetRun(turn: RunningTurn): Promise<void> {
    try {
      await this.#deps.turns.cancel(turn.sessionId, turn.turnId);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  /** The run is closed and its turn is not: nobody will ever end it but us. */
  async #end(turn: RunningTurn, how: string): Promise<void> {
    const { db, live, turns, logger, debug } = this.#deps;
    const message = `The turn's run was ended outside the turn (${how.toLowerCase().replaceAll('_', ' ')}).`;
    const ended = await endRunningTurn(db, {
      sessionId: turn.sessionId,
      runId: turn.runId,
      status: 'failed',
      error: { code: 'processing_error', message },
      debug,
    });
    if (ended.turnId === null) return;
    logger.warn(
      { session_id: turn.sessionId, turn_id: turn.turnId, run_id: turn.runId, how },
      'ended a turn whose run was closed',
    );
    publishEvents(live, turn.sessionId, ended.events);
    live.nudge({ kind: 'stop', turnId: turn.turnId });
    if (ended.moreWaiting) await turns.wake(turn);
    else await this.#releaseResetRun(turn);
  }
}
