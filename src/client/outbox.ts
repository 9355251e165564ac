import type { ErrorCode } from '../protocol/errors.ts';
import type { AckFrame } from '../protocol/live-frames.ts';
import { type Deferred, defer } from './defer.ts';
import { rejected, TurngateError, unwatched } from './errors.ts';
import type { SentFrame } from './frames.ts';
import type { Runtime, StopTimer } from './runtime.ts';

interface Entry {
  frame: SentFrame;
  chars: number;
  answer: Deferred<AckFrame>;
  isSent: boolean;
  stopTimer: StopTimer;
}

/** Frames that wait for their answer, and their text together; beyond it nothing more is taken. */
const maxEntries = 200;
const maxChars = 4 * 1024 * 1024;
/** What a gateway takes in one frame, in bytes (docs/protocol.md, close code 4013). */
const maxFrameBytes = 256 * 1024;
/** Frames in flight at a time: fewer than a gateway lets wait. */
const maxInFlight = 32;
/** What the gateway could not take just now is sent again after this. */
const resendMs = 1_000;

/** What was sent and has no answer, in the order in which it was given. Messages go one by one, so that none overtakes another. */
export class Outbox {
  readonly #runtime: Pick<Runtime, 'clock' | 'rules'>;
  readonly #transmit: (frame: SentFrame) => boolean;
  readonly #entries = new Map<string, Entry>();

  /** @param transmit answers false where there is no connection */
  constructor(runtime: Pick<Runtime, 'clock' | 'rules'>, transmit: (frame: SentFrame) => boolean) {
    this.#runtime = runtime;
    this.#transmit = transmit;
  }

  /** @returns the answer; rejects with a TurngateError when it is refused or cannot be taken */
  add(frame: SentFrame): Promise<AckFrame> {
    const known = this.#entries.get(frame.id);
    if (known) return known.answer.promise;
    const json = JSON.stringify(frame);
    const refusal = this.#refusal(json);
    if (refusal) return rejected(refusal);
    const answer = defer<AckFrame>();
    unwatched(answer.promise);
    this.#entries.set(frame.id, {
      frame,
      chars: json.length,
      answer,
      isSent: false,
      stopTimer: () => undefined,
    });
    this.#sendMore();
    return answer.promise;
  }

  /** A connection is there: everything without an answer is sent, again or for the first time. */
  onOpen(): void {
    for (const entry of this.#entries.values()) {
      entry.stopTimer();
      if (entry.isSent) this.#prepareAgain(entry);
    }
    this.#sendMore();
  }

  /** @returns false where nobody waits for this answer, or it is no answer yet */
  onAck(ack: AckFrame): boolean {
    const entry = this.#take(ack.id);
    entry?.answer.resolve(ack);
    return entry !== undefined;
  }

  /** @returns whether this ends something that waited */
  onError(id: string | undefined, code: ErrorCode, message: string): boolean {
    const entry = this.#entries.get(id ?? '');
    if (!entry) return false;
    if (code === 'unavailable' || code === 'rate_limit') {
      entry.stopTimer();
      entry.stopTimer = this.#runtime.clock.after(resendMs, () => {
        this.#prepareAgain(entry);
        this.#sendMore();
      });
      return false;
    }
    this.#take(id)?.answer.reject(new TurngateError(code, message));
    return true;
  }

  /** Gives up the largest frame, which the gateway would not take. Answers its id. */
  dropLargest(): string | null {
    const sent = [...this.#entries.values()].filter((entry) => entry.isSent);
    const [largest] = sent.sort((one, other) => other.chars - one.chars);
    if (!largest) return null;
    const error = `The gateway takes no frame as large as this one (${largest.chars} characters). Send less.`;
    this.#take(largest.frame.id)?.answer.reject(new TurngateError('too_large', error));
    return largest.frame.id;
  }

  /** Gives up everything. Answers the ids. */
  clear(error: TurngateError): string[] {
    const ids = [...this.#entries.keys()];
    for (const id of ids) this.#take(id)?.answer.reject(error);
    return ids;
  }

  #prepareAgain(entry: Entry): void {
    const frame = this.#runtime.rules.resend(entry.frame);
    entry.isSent = frame === null;
    entry.frame = frame ?? entry.frame;
  }

  #refusal(json: string): TurngateError | null {
    const bytes = new TextEncoder().encode(json).length;
    if (bytes > maxFrameBytes) {
      const error = `This is ${bytes} bytes, and a frame may have ${maxFrameBytes}. Send it in parts.`;
      return new TurngateError('too_large', error);
    }
    const waitingChars = [...this.#entries.values()].reduce((sum, entry) => sum + entry.chars, 0);
    if (this.#entries.size < maxEntries && waitingChars + json.length <= maxChars) return null;
    const error = `${this.#entries.size} frames wait for their answer already. Send again when there are fewer.`;
    return new TurngateError('queue_full', error);
  }

  #take(id: string | undefined): Entry | undefined {
    const entry = this.#entries.get(id ?? '');
    if (!entry) return undefined;
    entry.stopTimer();
    this.#entries.delete(entry.frame.id);
    this.#sendMore();
    return entry;
  }

  #sendMore(): void {
    const entries = [...this.#entries.values()];
    let inFlight = entries.filter((entry) => entry.isSent).length;
    const overtakes = this.#runtime.rules.overtakes();
    let isMessageBefore = false;
    for (const entry of entries) {
      const isMessage = entry.frame.type === 'message';
      const mayGo = !entry.isSent && inFlight < maxInFlight && !(isMessage && isMessageBefore && !overtakes);
      isMessageBefore ||= isMessage;
      if (!mayGo) continue;
      entry.isSent = this.#transmit(entry.frame);
      if (!entry.isSent) return;
      inFlight += 1;
    }
  }
}
