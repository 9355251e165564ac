import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../helpers/random.ts';
import type { Aim } from './aims.ts';
import type { Moment } from './effect-line.ts';
import type { Part } from './part.ts';
import type { PlannedCall, PlannedFault } from './plan.ts';
import type { ToolsSystem } from './system.ts';

export interface Kill {
  /** Milliseconds since 1970. */
  at: number;
  role: string;
  /** What it was aimed at; null for one at random. */
  aim: Aim | null;
  nonce: string | null;
}

const randomDownMostMs = 2_500;

/** Kills what the plan says in the moment it says, and others at random. */
export class Director {
  readonly kills: Kill[] = [];
  readonly #system: ToolsSystem;
  readonly #calls: Map<string, PlannedCall>;
  readonly #fired = new Set<string>();
  /** Held until what the call waits for has happened. */
  readonly #held = new Map<string, () => void>();

  constructor(system: ToolsSystem, calls: PlannedCall[]) {
    this.#system = system;
    this.#calls = new Map(calls.map((call) => [call.nonce, call]));
  }

  get lastKillAt(): number {
    return this.kills.at(-1)?.at ?? 0;
  }

  async onMoment(moment: Moment): Promise<void> {
    const fault = this.#faultOf(moment.nonce);
    if (fault === null) return;
    const { worker, temporal } = this.#system;
    if (moment.moment === 'received' && fault.aim === 'worker_before_effect') {
      await this.#fire(moment.nonce, fault, worker);
    } else if (moment.moment === 'written') {
      if (fault.aim === 'worker_after_effect') await this.#fire(moment.nonce, fault, worker);
      if (fault.aim === 'temporal_after_effect') await this.#fire(moment.nonce, fault, temporal);
      if (fault.aim === 'tool_server_after_effect' && this.#mark(moment.nonce)) {
        this.#note('tool server', moment.nonce, fault.aim);
        process.kill(moment.pid, 'SIGKILL');
      }
      if (fault.aim === 'worker_before_completion') this.#holdTemporal(moment.nonce);
    }
  }

  onRequest(nonce: string): void {
    this.#fireIf(nonce, 'worker_at_request', this.#system.worker);
  }

  onQuestion(nonce: string): void {
    this.#fireIf(nonce, 'worker_at_question', this.#system.worker);
  }

  onApproved(nonce: string): void {
    this.#fireIf(nonce, 'worker_at_decision', this.#system.worker);
  }

  onResult(nonce: string): void {
    this.#fireIf(nonce, 'worker_at_result', this.#system.worker);
    if (!this.#held.has(nonce)) return;
    this.#fireIf(nonce, 'worker_before_completion', this.#system.worker);
    this.#release(nonce);
  }

  onDecisionSent(nonce: string, gateway: Part): void {
    this.#fireIf(nonce, 'gateway_at_decision', gateway);
    if (this.#faultOf(nonce)?.aim === 'gateway_before_signal') this.#holdTemporal(nonce);
  }

  onAck(nonce: string, gateway: Part): void {
    this.#fireIf(nonce, 'gateway_at_ack', gateway);
    this.#fireIf(nonce, 'gateway_before_signal', gateway);
    this.#fireIf(nonce, 'temporal_at_ack', this.#system.temporal);
    this.#release(nonce);
  }

  /** Kills at random until the signal; the same order of roles for the same seed. */
  async killAtRandom(options: { seed: number; meanKillMs: number; signal: AbortSignal }): Promise<void> {
    const random = seededRandom(options.seed ^ 0x5eed);
    const { worker, gateways, temporal } = this.#system;
    while (!options.signal.aborted) {
      const waitMs = -Math.log(1 - random()) * options.meanKillMs;
      await delay(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
      if (options.signal.aborted) return;
      const choice = random();
      const gateway = gateways[Math.floor(random() * gateways.length)]?.part;
      const part = choice < 0.45 ? worker : choice < 0.75 && gateway ? gateway : temporal;
      const how = { downMs: random() * randomDownMostMs, withChildren: random() < 0.5 };
      if (part.kill(how)) this.#note(part.role, null, null);
    }
  }

  #faultOf(nonce: string): PlannedFault | null {
    return this.#fired.has(nonce) ? null : (this.#calls.get(nonce)?.fault ?? null);
  }

  #fireIf(nonce: string, aim: Aim, part: Part): void {
    const fault = this.#faultOf(nonce);
    if (fault?.aim !== aim) return;
    void this.#fire(nonce, fault, part);
  }

  async #fire(nonce: string, fault: PlannedFault, part: Part): Promise<void> {
    if (!this.#mark(nonce)) return;
    // What holds something back kills at once: that is its point.
    if (!this.#held.has(nonce)) await delay(fault.afterMs);
    if (part.kill(fault)) this.#note(part.role, nonce, fault.aim);
  }

  #mark(nonce: string): boolean {
    if (this.#fired.has(nonce)) return false;
    this.#fired.add(nonce);
    return true;
  }

  #holdTemporal(nonce: string): void {
    if (this.#held.has(nonce)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(nonce, resolve);
    this.#system.temporal.freeze(promise);
  }

  #release(nonce: string): void {
    this.#held.get(nonce)?.();
    this.#held.delete(nonce);
  }

  #note(role: string, nonce: string | null, aim: Aim | null): void {
    this.kills.push({ at: Date.now(), role, aim, nonce });
  }
}
