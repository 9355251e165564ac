import type { Logger } from 'pino';

/** Work that is done again and again, never twice at once: every `everyMs`, and soon after it is asked for. */
export class Rounds {
  readonly #work: () => Promise<void>;
  readonly #everyMs: number;
  readonly #logger: Logger;
  /** What the log says when a round fails; the next one tries again. */
  readonly #failure: string;
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isAsked = false;
  #isStopped = false;
  /** Said once, not twice a second for as long as the store is away. */
  #isFailing = false;

  constructor(options: { work(): Promise<void>; everyMs: number; logger: Logger; failure: string }) {
    this.#work = options.work;
    this.#everyMs = options.everyMs;
    this.#logger = options.logger;
    this.#failure = options.failure;
  }

  /** Begins now, with a round at once. */
  start(): void {
    this.#timer ??= setInterval(() => this.soon(), this.#everyMs);
    this.soon();
  }

  /** Asks for a round that sees everything there is now: a round under way may have looked before. */
  soon(): void {
    if (this.#isStopped) return;
    this.#isAsked = true;
    if (!this.#isRunning) this.#round = this.#run();
  }

  /** Settles when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#round;
  }

  async #once(): Promise<void> {
    try {
      await this.#work();
      if (this.#isFailing) this.#logger.info({ failed: this.#failure }, 'what failed works again');
      this.#isFailing = false;
    } catch (error) {
      this.#logger[this.#isFailing ? 'debug' : 'warn']({ err: error }, this.#failure);
      this.#isFailing = true;
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isAsked && !this.#isStopped) {
      this.#isAsked = false;
      await this.#once();
    }
    this.#isRunning = false;
  }
}
