import { condition, patched } from '@temporalio/workflow';
import type { ApprovalSignalPayload } from '../protocol/approval-signal.ts';
import type { StepCall } from '../store/steps.ts';
import { storeActivities } from './activity-stubs.ts';
import { type GateTimer, startTimer } from './gate-timer.ts';
import type { SignalInbox } from './signal-inbox.ts';

/**
 * The gate of one call: waits until there may be a decision, for at most the gate's time. What it says is only that it
 * is worth a look; the store's row decides. The timer goes on over several looks.
 */
export class Gate {
  readonly #sessionId: string;
  readonly #inbox: SignalInbox;
  #call: StepCall;
  #timer: GateTimer | null = null;

  constructor(sessionId: string, call: StepCall, inbox: SignalInbox) {
    this.#sessionId = sessionId;
    this.#call = call;
    this.#inbox = inbox;
  }

  /** What waits, as it is now: reminders and escalations change it. */
  get call(): StepCall {
    return this.#call;
  }

  /** The call is asked about anew. */
  ask(call: StepCall): void {
    this.close();
    this.#call = call;
  }

  close(): void {
    this.#timer?.stop();
    this.#timer = null;
  }

  /** Settles when a decision may be there. @param onChange told of what a reminder or an escalation changed */
  async pass(onChange: () => void): Promise<void> {
    const { toolCallId } = this.#call;
    for (;;) {
      const timer = this.#started();
      await condition(() => timer.expired() || this.#inbox.approvals.has(toolCallId));
      const signal = this.#inbox.approvals.get(toolCallId);
      this.#inbox.approvals.delete(toolCallId);
      if (signal) {
        if (await this.#isWorthALook(signal)) return;
      } else if (await this.#timeIsUp()) {
        return;
      } else {
        onChange();
      }
    }
  }

  #started(): GateTimer {
    const { tool, timeoutMs, dueInMs = timeoutMs } = this.#call;
    this.#timer ??= startTimer(dueInMs, `approval of ${tool} expires`);
    return this.#timer;
  }

  /** A signal without a decision's id is an operator's: it becomes a row first. */
  async #isWorthALook(signal: ApprovalSignalPayload): Promise<boolean> {
    if (signal.decision_id !== undefined) return true;
    const answer = await storeActivities.recordVerdict({
      sessionId: this.#sessionId,
      toolCallId: this.#call.toolCallId,
      outcome: signal.approved ? 'approved' : 'rejected',
      ...(signal.reason === undefined ? {} : { reason: signal.reason }),
      ...(signal.arguments === undefined ? {} : { arguments: signal.arguments }),
    });
    return answer !== 'refused';
  }

  /** Reminds, escalates or lets the gate expire, as the store says. */
  async #timeIsUp(): Promise<boolean> {
    const about = { sessionId: this.#sessionId, toolCallId: this.#call.toolCallId };
    // Runs of older versions knew one time only, at which the gate expired.
    if (!patched('tend-gate')) {
      const answer = await storeActivities.recordVerdict({ ...about, outcome: 'expired' });
      if (answer === 'refused') throw new Error(`The expired call ${about.toolCallId} has no decision.`);
      return true;
    }
    const answer = await storeActivities.tendGate(about);
    this.close();
    if (answer.kind === 'waiting') this.#call = answer.call;
    return answer.kind !== 'waiting';
  }
}
