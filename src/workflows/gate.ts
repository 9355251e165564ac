import { condition, patched } from '@temporalio/workflow';
import type { ApprovalSignalPayload } from '../protocol/approval-signal.ts';
import type { StepCall } from '../store/steps.ts';
import { storeActivities, storeActivity, summaryOf } from './activity-stubs.ts';
import { type GateTimer, startTimer } from './gate-timer.ts';
import type { SignalInbox } from './signal-inbox.ts';

/** A look that comes this much before the gate's time is up is a reminder: the clocks of store and run differ. */
const REMINDER_EARLIER_MS = 1_000;

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
      if (signal && !signal.vote) {
        if (await this.#isWorthALook(signal)) return;
      } else {
        if (await this.#tend()) return;
        onChange();
      }
    }
  }

  #started(): GateTimer {
    const { tool, timeoutMs, dueInMs = timeoutMs } = this.#call;
    if (this.#timer === null) {
      const leftMs = this.#call.expiresAt === undefined ? 0 : this.#call.expiresAt - Date.now();
      const isEarlier = leftMs - dueInMs > REMINDER_EARLIER_MS;
      this.#timer = startTimer(
        dueInMs,
        summaryOf(isEarlier ? `reminder of ${tool}` : `approval of ${tool} expires`),
      );
    }
    return this.#timer;
  }

  /** A signal without a decision's id is an operator's: it becomes a row first. */
  async #isWorthALook(signal: ApprovalSignalPayload): Promise<boolean> {
    if (signal.decision_id !== undefined) return true;
    const record = storeActivity(`verdict on ${this.#call.tool}`).recordVerdict;
    const answer = await record({
      sessionId: this.#sessionId,
      toolCallId: this.#call.toolCallId,
      outcome: signal.approved ? 'approved' : 'rejected',
      ...(signal.reason === undefined ? {} : { reason: signal.reason }),
      ...(signal.arguments === undefined ? {} : { arguments: signal.arguments }),
      ...(signal.round === undefined ? {} : { round: signal.round }),
    });
    return answer !== 'refused';
  }

  /** Reminds, escalates or lets the gate expire, as the store says, and learns how it is now. */
  async #tend(): Promise<boolean> {
    const about = { sessionId: this.#sessionId, toolCallId: this.#call.toolCallId };
    // Runs of older versions knew one time only, at which the gate expired.
    if (!patched('tend-gate')) {
      const answer = await storeActivities.recordVerdict({ ...about, outcome: 'expired' });
      if (answer === 'refused') throw new Error(`The expired call ${about.toolCallId} has no decision.`);
      return true;
    }
    const answer = await storeActivity(`gate of ${this.#call.tool}`).tendGate(about);
    this.close();
    if (answer.kind === 'waiting') this.#call = answer.call;
    return answer.kind !== 'waiting';
  }
}
