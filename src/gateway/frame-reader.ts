import type { Logger } from 'pino';
import { type ClientFrame, frameId } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedOwner } from '../protocol/feed-id.ts';
import { limits } from '../protocol/limits.ts';
import type { ErrorFrame } from '../protocol/live-frames.ts';
import type { Caller, Done } from './commands.ts';
import type { Connection } from './connection.ts';
import { type FrameCommands, notInFeed } from './feed-commands.ts';
import { FrameQueue } from './frame-queue.ts';
import { publicError } from './public-errors.ts';
import { readFrame } from './read-frame.ts';
import type { Receipt } from './receipt.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Typing } from './typing.ts';

/** Frames of one connection that may wait for their answer, and their text together. */
const waiting = { maxFrames: 64, maxChars: 4 * limits.frameBytes };
/** Of the rate: what may come at once, and as much again is refused before the connection is closed. */
const burstSeconds = 4;
const tooManyBack = 'retry_after_ms=5000';

/** Reads the frames of one connection and answers each, in their order. Nothing it is given makes it throw. */
export class FrameReader {
  readonly #connection: Connection;
  readonly #commands: FrameCommands;
  readonly #from: Pick<Caller, 'via' | 'address'>;
  readonly #typing: Pick<Typing, 'say'>;
  readonly #receipt: Receipt | null;
  readonly #logger: Logger;
  readonly #burst: number;
  readonly #rate: TokenBucket;
  readonly #queue = new FrameQueue(waiting);
  readonly #renew: (connectionId: string, token: string) => Promise<void>;
  readonly #track: <T>(work: Promise<T>) => Promise<T>;

  constructor(options: {
    connection: Connection;
    commands: FrameCommands;
    via: Caller['via'];
    /** The client's; null where it is not known. */
    address: string | null;
    typing: Pick<Typing, 'say'>;
    /** null: what arrived here is not kept. */
    receipt?: Receipt | null;
    logger: Logger;
    /** Goes on with another token; rejects with a PublicError when that may not be. */
    renew(connectionId: string, token: string): Promise<void>;
    /** Frames that are read; what comes quicker is refused. */
    framesPerSecond: number;
    /** Keeps an eye on what is under way, for the drain. */
    track<T>(work: Promise<T>): Promise<T>;
  }) {
    this.#connection = options.connection;
    this.#commands = options.commands;
    this.#from = { via: options.via, address: options.address };
    this.#typing = options.typing;
    this.#receipt = options.receipt ?? null;
    this.#logger = options.logger;
    this.#renew = options.renew;
    this.#track = options.track;
    this.#burst = options.framesPerSecond * burstSeconds;
    const rate = { perSecond: options.framesPerSecond, burst: this.#burst };
    this.#rate = new TokenBucket(rate, performance.now());
  }

  read(text: string): void {
    const isInTime = this.#isInTime();
    if (!this.#connection.isOpen) return;
    let raw: unknown;
    try {
      raw = JSON.parse(text);
    } catch {
      // The parser's own words quote the frame, and frames are never logged.
      this.#logger.debug({ connection_id: this.#connection.id }, 'a frame was not JSON');
      const error = 'The frame is not valid JSON. Send one JSON object with a "type" in each frame.';
      this.#fail(isInTime ? new PublicError('validation_error', error) : tooFast(), {});
      return;
    }
    try {
      if (!isInTime) throw tooFast();
      this.#accept(readFrame(raw), text.length);
    } catch (error) {
      this.#fail(error, { id: frameId(raw) });
    }
  }

  /** Answers a frame that cannot be read. */
  refuse(error: string): void {
    if (!this.#isInTime()) return;
    this.#connection.send({ type: 'error', code: 'validation_error', error });
  }

  #accept(frame: ClientFrame, chars: number): void {
    if (frame.type === 'pong') return;
    if (frame.type === 'ping') {
      this.#connection.send({ type: 'pong', ...(frame.id === undefined ? {} : { id: frame.id }) });
      return;
    }
    const isTaken = this.#queue.add(chars, () => this.#track(this.#handle(frame)));
    if (isTaken) return;
    const error = `More than ${waiting.maxFrames} frames wait for their answer. Wait for some, then send this again.`;
    this.#fail(new PublicError('rate_limit', error), frame);
  }

  async #handle(frame: Exclude<ClientFrame, { type: 'ping' | 'pong' }>): Promise<void> {
    try {
      if (frame.type === 'resume') {
        await this.#resume(frame);
        return;
      }
      if (frame.type === 'typing') {
        await this.#commands.check(this.#caller(), 'typing');
        if (this.#connection.isOpen) this.#typing.say(this.#connection, frame.active);
        if (frame.id !== undefined) this.#connection.send({ type: 'ack', id: frame.id });
        return;
      }
      if (frame.type === 'auth') {
        await this.#renew(this.#connection.id, frame.token);
        this.#connection.send({ type: 'ack', ...(frame.id === undefined ? {} : { id: frame.id }) });
        return;
      }
      if (frame.type === 'received') {
        await this.#received(frame.seq);
        return;
      }
      const done = await this.#perform(frame);
      this.#connection.send(done.ack);
      done.spread();
    } catch (error) {
      this.#fail(error, frame);
    }
  }

  async #perform(
    frame: Exclude<ClientFrame, { type: 'ping' | 'pong' | 'resume' | 'typing' | 'auth' | 'received' }>,
  ): Promise<Done> {
    const caller = this.#caller();
    switch (frame.type) {
      case 'message':
        return this.#commands.message(caller, frame);
      case 'tool_approval':
        return this.#commands.decision(caller, frame);
      case 'cancel':
        return this.#commands.cancel(caller, frame);
      case 'input_response':
        return this.#commands.input(caller, frame);
    }
  }

  /** Counts a frame. Who goes on although frames are refused is sent away. */
  #isInTime(): boolean {
    const left = this.#rate.take(performance.now());
    if (left < -this.#burst) this.#connection.close('tooMany', tooManyBack);
    return left >= 0;
  }

  /** Not answered: what counts is what the next `welcome` says. */
  async #received(seq: number): Promise<void> {
    if (feedOwner(this.#connection.sessionId)) throw notInFeed();
    await this.#commands.check(this.#caller(), 'see');
    if (await this.#connection.hasReached(seq)) this.#receipt?.note(seq);
    else throw new PublicError('validation_error', `seq ${seq} is past the end of this session.`);
  }

  /**
   * Delivery stops at once and goes on when it is known that they still may see; who may not is closed. While the store
   * is away it waits as every reading does.
   */
  async #resume(frame: Extract<ClientFrame, { type: 'resume' }>): Promise<void> {
    const permitted = this.#commands.check(this.#caller(), 'see').catch((error: unknown) => {
      if (!(error instanceof PublicError) && publicError(error).code === 'unavailable') return;
      this.#fail(error, frame);
      const isGone = error instanceof PublicError && error.code === 'not_found';
      this.#connection.close(isGone ? 'sessionNotFound' : 'accessDenied');
    });
    this.#connection.resume(frame.last_seq, permitted);
    await permitted;
  }

  #caller(): Caller {
    const { sessionId, identity } = this.#connection;
    return { sessionId, userId: identity.userId, ...this.#from };
  }

  #fail(error: unknown, frame: { id?: string | undefined; tool_call_id?: string | undefined }): void {
    const known = publicError(error);
    if (known !== error) {
      const ids = { session_id: this.#connection.sessionId, connection_id: this.#connection.id };
      this.#logger.error({ err: error, ...ids }, 'a frame could not be handled');
    }
    const answer: ErrorFrame = { type: 'error', code: known.code, error: known.message };
    if (frame.id !== undefined) answer.id = frame.id;
    if (frame.tool_call_id !== undefined) answer.tool_call_id = frame.tool_call_id;
    this.#connection.send(answer);
  }
}

function tooFast(): PublicError {
  return new PublicError('rate_limit', 'Frames come too quickly; this one was not looked at. Send slower.');
}
