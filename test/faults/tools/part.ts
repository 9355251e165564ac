import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Child,
  type ChildSpec,
  describeExit,
  startChild,
  stopChild,
  untilReady,
} from '../../../src/cli/dev/child.ts';
import { signalGroup } from '../../../src/cli/dev/process-identity.ts';

const readyBoundMs = 90_000;
const stopBoundMs = 5_000;
const startTries = 60;
const startEveryMs = 500;
/** Longest that a part is held still. */
const frozenMostMs = 3_000;

/** A process that is killed and comes back, always at the same address. */
export class Part {
  readonly role: string;
  readonly #spec: ChildSpec;
  readonly #ready: (child: Child, signal: AbortSignal) => Promise<unknown>;
  readonly #pids: string;
  /** Told when it ended and nobody had killed it. */
  readonly #onDeath: (words: string) => void;
  #child: Child | null = null;
  #isKilled = false;
  #isStopping = false;
  #comingBack: Promise<void> = Promise.resolve();
  #thaw: (() => void) | null = null;
  kills = 0;

  /** @param pids folder in which it says what pid it has, for the keeper */
  constructor(options: {
    spec: ChildSpec;
    ready(child: Child, signal: AbortSignal): Promise<unknown>;
    pids: string;
    onDeath(words: string): void;
  }) {
    this.role = options.spec.role;
    this.#spec = options.spec;
    this.#ready = options.ready;
    this.#pids = options.pids;
    this.#onDeath = options.onDeath;
  }

  get isUp(): boolean {
    return this.#child !== null && !this.#isKilled;
  }

  /** @throws StartFailure with its last words */
  async start(): Promise<void> {
    const child = await startChild(this.#spec);
    writeFileSync(join(this.#pids, this.role), `${child.pid}\n`);
    this.#child = child;
    this.#isKilled = false;
    try {
      await untilReady(child, (signal) => this.#ready(child, signal), readyBoundMs);
    } catch (error) {
      // One that is killed meanwhile belongs to that kill.
      if (this.#child === child && !this.#isKilled) this.#child = null;
      await stopChild(child, stopBoundMs);
      throw error;
    }
    void child.exited.then((exit) => {
      if (this.#child !== child || this.#isKilled || this.#isStopping) return;
      this.#child = null;
      this.#onDeath(`${this.role} ended by itself (${describeExit(exit)})`);
    });
  }

  /**
   * kill -9, and back after `downMs`.
   * @param withChildren whether its own children die too
   * @returns false where it was down already
   */
  kill({ downMs, withChildren }: { downMs: number; withChildren: boolean }): boolean {
    const child = this.#child;
    if (child === null || this.#isKilled || this.#isStopping) return false;
    this.#isKilled = true;
    this.kills += 1;
    if (withChildren) signalGroup(child.pid, 'SIGKILL');
    else process.kill(child.pid, 'SIGKILL');
    this.#comingBack = this.#bringBack(child, downMs);
    return true;
  }

  /** Holds it still until the promise settles, or for a bounded time. */
  freeze(until: Promise<unknown>): void {
    const child = this.#child;
    if (child === null || this.#isKilled || this.#thaw !== null) return;
    process.kill(child.pid, 'SIGSTOP');
    const timer = setTimeout(() => this.#thaw?.(), frozenMostMs);
    this.#thaw = () => {
      clearTimeout(timer);
      this.#thaw = null;
      if (this.#child === child && !this.#isKilled) process.kill(child.pid, 'SIGCONT');
    };
    void until.then(
      () => this.#thaw?.(),
      () => this.#thaw?.(),
    );
  }

  /** Resolves when it runs again after the last kill. */
  back(): Promise<void> {
    return this.#comingBack;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#thaw?.();
    await Promise.allSettled([this.#comingBack]);
    if (this.#child !== null) await stopChild(this.#child, stopBoundMs);
  }

  /** As whoever looks after it would: what it needs may be down itself, so it is tried again. */
  async #bringBack(killed: Child, downMs: number): Promise<void> {
    const number = this.kills;
    await killed.exited;
    await delay(downMs);
    for (let tries = 1; !this.#isStopping; tries += 1) {
      const started = await this.start().catch((error: unknown) => error);
      // Killed again before it was ready: the later kill brings it back.
      if (started === undefined || this.kills !== number) return;
      if (tries < startTries) await delay(startEveryMs);
      else return this.#onDeath(`${this.role} did not come back: ${String(started)}`);
    }
  }
}
