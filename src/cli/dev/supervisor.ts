import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../../protocol/error-text.ts';
import {
  type Child,
  type ChildSpec,
  describeExit,
  startChild,
  stopChild,
  sweepGroup,
  untilReady,
} from './child.ts';

/** One part of a running copy: how to start it, and how to know that it is ready. */
export interface Part {
  role: string;
  spec: ChildSpec;
  ready(child: Child, signal: AbortSignal): Promise<void>;
}

export interface SupervisorEvents {
  /** One line for the console. */
  say(line: string): void;
  /** The set of running processes has changed. */
  changed(children: Child[]): void;
}

const readyBoundMs = 60_000;
const firstBackoffMs = 200;
const maxBackoffMs = 10_000;
/** A part that ran this long is given the first, short backoff again. */
const settledMs = 30_000;
/** All parts together end within this time ... */
const stopBoundMs = 4_600;
/** ... and each part leaves at least so much of it to each part after it. */
const reservedMs = 500;

/** Starts parts, brings back those that die, and stops all in order. */
export class Supervisor {
  readonly #events: SupervisorEvents;
  readonly #children = new Map<string, Child>();
  readonly #stopped = new AbortController();
  readonly #starting = new Set<Promise<unknown>>();

  constructor(events: SupervisorEvents) {
    this.#events = events;
  }

  get stopping(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Aborts when the stop begins. */
  get signal(): AbortSignal {
    return this.#stopped.signal;
  }

  /** Role → pid of what runs now. */
  processes(): Record<string, number> {
    return Object.fromEntries([...this.#children.values()].map((child) => [child.role, child.pid]));
  }

  /**
   * Starts a part, waits until it is ready and looks after it from then on.
   * @throws StartFailure where it does not become ready
   */
  async start(part: Part): Promise<Child> {
    const child = await this.#launch(part);
    void this.#lookAfter(part, child);
    return child;
  }

  /** Stops every part in the order given; parts that it does not name come last. Resolves when no process is left. */
  async stop(order: string[]): Promise<void> {
    this.#stopped.abort();
    const deadline = Date.now() + stopBoundMs;
    await Promise.allSettled(this.#starting);
    const rank = (role: string) => (order.includes(role) ? order.indexOf(role) : order.length);
    const children = [...this.#children.values()].sort((a, b) => rank(a.role) - rank(b.role));
    for (const [index, child] of children.entries()) {
      const later = children.length - index - 1;
      const gentle = await stopChild(child, Math.max(reservedMs, deadline - Date.now() - later * reservedMs));
      if (!gentle) this.#events.say(`${child.role} did not end in time and was killed.`);
      this.#forget(child);
    }
  }

  async #launch(part: Part): Promise<Child> {
    this.#stopped.signal.throwIfAborted();
    // A stop waits for this: a process must be known before it can be stopped.
    const starting = startChild(part.spec).then((child) => {
      this.#children.set(part.role, child);
      this.#events.changed([...this.#children.values()]);
      return child;
    });
    this.#starting.add(starting);
    const child = await starting.finally(() => this.#starting.delete(starting));
    try {
      await untilReady(child, (signal) => part.ready(child, signal), readyBoundMs);
    } catch (error) {
      // While stopping, the stop itself ends it, in its turn.
      if (!this.stopping) {
        await stopChild(child, reservedMs);
        this.#forget(child);
      }
      throw error;
    }
    return child;
  }

  async #lookAfter(part: Part, first: Child): Promise<void> {
    let child = first;
    let backoffMs = firstBackoffMs;
    let since = Date.now();
    while (!this.stopping) {
      const exit = await child.exited;
      if (this.stopping) return;
      if (Date.now() - since > settledMs) backoffMs = firstBackoffMs;
      // What it left in its group would hold its port or its files against the next one.
      sweepGroup(child);
      this.#forget(child);
      this.#events.say(
        `${part.role} ended (${describeExit(exit)}); starting it again in ${backoffMs / 1_000} s.`,
      );
      const next = await this.#bringBack(part, backoffMs);
      if (next === undefined) return;
      [child, backoffMs, since] = [next.child, next.backoffMs, Date.now()];
    }
  }

  /** Tries until the part is ready; undefined once the stop has begun. */
  async #bringBack(part: Part, firstMs: number): Promise<{ child: Child; backoffMs: number } | undefined> {
    let backoffMs = firstMs;
    for (;;) {
      await delay(backoffMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      if (this.stopping) return undefined;
      backoffMs = Math.min(backoffMs * 2, maxBackoffMs);
      try {
        const child = await this.#launch(part);
        this.#events.say(`${part.role} is back (process ${child.pid}).`);
        return { child, backoffMs };
      } catch (error) {
        if (this.stopping) return undefined;
        this.#events.say(`${errorText(error)} Trying again in ${backoffMs / 1_000} s.`);
      }
    }
  }

  #forget(child: Child): void {
    if (this.#children.get(child.role) === child) this.#children.delete(child.role);
    this.#events.changed([...this.#children.values()]);
  }
}
