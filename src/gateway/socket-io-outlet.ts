import type { NamedCall } from '../store/open-calls.ts';
import type { Outgoing } from './outgoing.ts';
import type { Outlet } from './outlet.ts';
import type { Emission } from './socket-io-emission.ts';
import type { SocketIoLink } from './socket-io-link.ts';
import { SocketIoTranslator } from './socket-io-translator.ts';

/** A client that has no room is asked again after this. */
const retryMs = 50;

/** The way out for one of the sessions of a Socket.IO connection: frames go in, events come out of the link. */
export class SocketIoOutlet implements Outlet {
  readonly #link: SocketIoLink;
  readonly #translator: SocketIoTranslator;
  readonly #say: (emission: Emission) => void;
  readonly #onEnd: (code: number, reason: string) => void;
  #timer: NodeJS.Timeout | null = null;
  #released: (() => void)[] = [];
  #isOpen = true;

  constructor(options: {
    sessionId: string;
    link: SocketIoLink;
    /** Calls that were asked for before delivery begins. */
    calls: NamedCall[];
    say(emission: Emission): void;
    /** Something ends this session's delivery, or the whole connection: what a code means is not decided here. */
    onEnd(code: number, reason: string): void;
  }) {
    this.#link = options.link;
    this.#translator = new SocketIoTranslator(options.sessionId);
    this.#translator.know(options.calls);
    this.#say = options.say;
    this.#onEnd = options.onEnd;
  }

  get isOpen(): boolean {
    return this.#isOpen && this.#link.isOpen;
  }

  get isFull(): boolean {
    return this.#isOpen && (this.#link.isFull || this.#translator.isHoldingMuch);
  }

  get isOverrun(): boolean {
    return this.#isOpen && this.#link.isOverrun;
  }

  send(outgoing: Outgoing): void {
    if (!this.isOpen) return;
    for (const emission of this.#translator.take(outgoing.frame, performance.now(), Date.now())) {
      this.#say(emission);
    }
    this.#release();
    this.#schedule();
  }

  cork(write: () => void): void {
    if (this.isOpen) this.#link.cork(write);
  }

  async drained(): Promise<void> {
    await this.#link.drained();
    while (this.isOpen && this.#translator.isHoldingMuch) {
      await new Promise<void>((resolve) => this.#released.push(resolve));
    }
  }

  end(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.stop();
    this.#onEnd(code, reason);
  }

  /** Nothing goes out any more. */
  stop(): void {
    this.#isOpen = false;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#release();
  }

  #schedule(): void {
    const { dueAt } = this.#translator;
    if (this.#timer || dueAt === null || !this.isOpen) return;
    const wait = Math.max(this.#link.isFull ? retryMs : 0, dueAt - performance.now());
    this.#timer = setTimeout(() => this.#flush(), Math.ceil(wait));
  }

  #flush(): void {
    this.#timer = null;
    if (!this.isOpen) return;
    // What is held goes even so: it was taken, and nobody will give it again.
    if (!this.#link.isFull || this.#translator.isHolding) {
      this.#link.cork(() => {
        for (const emission of this.#translator.flush(performance.now(), Date.now())) this.#say(emission);
      });
      this.#release();
    }
    this.#schedule();
  }

  #release(): void {
    for (const resolve of this.#released.splice(0)) resolve();
  }
}
