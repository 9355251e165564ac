import { Context } from '@temporalio/activity';
import { publishEvents } from '../live/publish-events.ts';
import { PublicError } from '../protocol/errors.ts';
import { cleanJson, cleanText, protoKeyFault } from '../protocol/text.ts';
import { recordVerdict } from '../store/decisions.ts';
import { recordRejectedSignal } from '../store/rejected-signals.ts';
import { endRunningTurn, findTurnOfRun } from '../store/turns.ts';
import { unfitArguments } from '../tools/arguments.ts';
import { createCallTool } from './call-tool.ts';
import type { Activities } from './contract.ts';
import type { ActivityDeps } from './deps.ts';
import { createRunStep } from './run-step.ts';
import { tend } from './tend.ts';

/** Of what a client is told when a turn fails; the whole of it is in the run's history. */
const ERROR_CHARS_MAX = 2_000;

/** What gateways refuse of the arguments that a person sends, and no store keeps as it is. */
function editFault(edited: unknown): string | null {
  return unfitArguments(edited)?.error ?? protoKeyFault({ arguments: edited });
}

/** Everything a turn may do to the world. */
export function createActivities(deps: ActivityDeps): Activities {
  const { db, live, logger, debug } = deps;
  const runId = () => Context.current().info.workflowExecution?.runId ?? '';
  const rejectSignal: Activities['recordRejectedSignal'] = async (signal) => {
    // A run that has not begun its turn yet has none.
    const turn = await findTurnOfRun(db, signal.sessionId, runId());
    const about = { session_id: signal.sessionId, turn_id: turn?.turnId, signal: signal.name };
    logger.warn(about, 'a signal was not understood and is ignored');
    await recordRejectedSignal(db, {
      // Of the activity, so that it is one row however often it is tried.
      id: `${runId()}:${Context.current().info.activityId}`,
      sessionId: signal.sessionId,
      turnId: turn?.turnId ?? null,
      name: cleanText(signal.name),
      problem: cleanText(signal.problem),
      payload: cleanText(signal.payload),
    });
  };
  return {
    runStep: createRunStep(deps),
    callTool: createCallTool(deps),

    async recordVerdict({ sessionId, toolCallId, outcome, reason, arguments: edited, round }) {
      const expired = outcome === 'expired';
      const ignore = (problem: string) =>
        rejectSignal({
          sessionId,
          name: 'approval',
          problem,
          payload: JSON.stringify({ tool_call_id: toolCallId, outcome, round }),
        });
      if (!expired && deps.config.OPERATOR_SIGNALS === 'refuse') {
        await ignore('Signals without a decision_id are refused here (OPERATOR_SIGNALS=refuse).');
        return 'refused';
      }
      const unfit = edited && editFault(edited);
      if (unfit) {
        await ignore(unfit);
        return 'refused';
      }
      try {
        const by = expired
          ? { decidedBy: 'turngate', via: 'timeout' }
          : {
              decidedBy: 'operator',
              via: 'signal',
              reason: reason === undefined ? undefined : cleanText(reason),
              arguments: edited && (cleanJson(edited) as Record<string, unknown>),
              round,
            };
        const decided = await recordVerdict(db, { sessionId, toolCallId, outcome, ...by });
        if (decided.kind === 'conflict') {
          const { decision, by: whom } = decided.decision;
          if (!expired) await ignore(`It was decided before: ${decision} by ${whom}.`);
          return 'conflict';
        }
        publishEvents(live, sessionId, decided.events);
        return 'recorded';
      } catch (error) {
        if (!(error instanceof PublicError)) throw error;
        logger.warn({ session_id: sessionId, tool_call_id: toolCallId, code: error.code }, error.message);
        if (!expired) await ignore(error.message);
        return 'refused';
      }
    },

    tendGate: (about) => tend(deps, about),

    async lookAtTurn({ sessionId }) {
      const turn = await findTurnOfRun(db, sessionId, runId());
      if (!turn) return { standing: 'unclaimed', cancelRequested: false };
      const standing = turn.status === 'running' ? 'mine' : 'over';
      return { standing, cancelRequested: turn.cancelRequested };
    },

    async endTurn({ sessionId, status, error }) {
      const said = error && { ...error, message: cleanText(error.message).slice(0, ERROR_CHARS_MAX) };
      const ended = await endRunningTurn(db, { sessionId, runId: runId(), status, error: said, debug });
      publishEvents(live, sessionId, ended.events);
      return { moreWaiting: ended.moreWaiting };
    },

    recordRejectedSignal: rejectSignal,
  };
}
