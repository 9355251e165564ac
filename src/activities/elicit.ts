import { createHash } from 'node:crypto';
import { publishEvents } from '../live/publish-events.ts';
import { type Attempt, askForTool, takeAnswer } from '../store/elicitations.ts';
import { type Answer, cancelQuestion } from '../store/question-close.ts';
import type { OpenQuestion } from '../store/steps.ts';
import type { Elicitation, ElicitationAnswer } from '../tools/port.ts';
import { ServerGone } from '../tools/server-gone.ts';
import type { Beat } from './beat.ts';
import type { ActivityDeps } from './deps.ts';
import { persist } from './persist.ts';

/** An answer is heard of by the live plane; where that is lost, by looking. */
const LOOK_MS = 2_000;
const ASK_FOR_MS = 300_000;

type Deps = Pick<ActivityDeps, 'db' | 'live' | 'nudges' | 'config' | 'logger'>;
type About = Attempt & { turnId: string };

/** What the server of one attempt of a call asks people: durably, so that a later attempt that asks the same has the answer. */
export class Elicitor {
  readonly #deps: Deps;
  readonly #about: About;
  readonly #isHeld: boolean;
  readonly #beat: Beat;
  readonly #halt: AbortSignal;
  readonly #onLong: () => void;
  /** How often the same was asked in this attempt. */
  readonly #asked = new Map<string, number>();
  readonly #open = new Set<OpenQuestion>();
  readonly #asks = new Set<Promise<ElicitationAnswer>>();

  /**
   * @param options.isHeld whether the server does nothing before it has its answers
   * @param options.halt aborted where the attempt is given up
   * @param options.onLong called when a question has been open for so long that the call is to be let go
   */
  constructor(
    deps: Deps,
    about: About,
    options: { isHeld: boolean; beat: Beat; halt: AbortSignal; onLong(): void },
  ) {
    this.#deps = deps;
    this.#about = about;
    this.#isHeld = options.isHeld;
    this.#beat = options.beat;
    this.#halt = options.halt;
    this.#onLong = options.onLong;
  }

  /** The question that the call stands at without having done anything: it may be let go, and made again. */
  get standing(): OpenQuestion | null {
    const [first] = this.#open;
    return this.#isHeld ? (first ?? null) : null;
  }

  /** What is being asked when the server ends may not be written down yet; after this it is. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#asks);
  }

  /** @throws Error where the attempt is over, or the server does not want to know any more */
  async ask(elicitation: Elicitation): Promise<ElicitationAnswer> {
    const asked = this.#ask(elicitation);
    this.#asks.add(asked);
    try {
      return await asked;
    } finally {
      this.#asks.delete(asked);
    }
  }

  async #ask(elicitation: Elicitation): Promise<ElicitationAnswer> {
    const { question, answer: known } = await this.#askOnce(elicitation);
    if (known) return toElicitationAnswer(known);
    this.#open.add(question);
    this.#beat.show('waiting_input');
    const held = this.#isHeld ? setTimeout(this.#onLong, this.#deps.config.ELICITATION_HOLD_MS) : undefined;
    try {
      const answer = await this.#untilAnswered(question.requestId, elicitation.signal);
      // It came too late for this attempt: the next one asks the same, and has it.
      this.#halt.throwIfAborted();
      this.#close(question);
      return toElicitationAnswer(answer);
    } catch (error) {
      // Of an attempt that is stopped, or whose server ended, the question stays: the next one asks the same.
      const isLeftBehind = elicitation.signal.reason instanceof ServerGone;
      if (!this.#halt.aborted && !isLeftBehind) await this.#takeBack(question);
      throw error;
    } finally {
      clearTimeout(held);
    }
  }

  #close(question: OpenQuestion): void {
    this.#open.delete(question);
    if (this.#open.size === 0) this.#beat.show('running_tool');
  }

  async #askOnce({ message, schema, signal }: Elicitation) {
    const { db, live, config, logger } = this.#deps;
    const { turnId } = this.#about;
    const key = this.#keyOf(message, schema);
    // What is not named is not asked for, and kept nowhere.
    const question = {
      turnId,
      key,
      message,
      schema: { ...schema, additionalProperties: false },
      timeoutMs: config.APPROVAL_TIMEOUT_MS,
    };
    const asked = await persist(() => askForTool(db, this.#about, question, { isHeld: this.#isHeld }), {
      forMs: ASK_FOR_MS,
      signal,
      logger,
      what: 'a question of a tool',
    });
    if (!asked) throw new Error('The call is over; nobody is asked.');
    publishEvents(live, this.#about.sessionId, asked.events);
    return asked;
  }

  #keyOf(message: string, schema: Record<string, unknown>): string {
    const hash = createHash('sha256')
      .update(JSON.stringify([message, schema]))
      .digest('hex');
    const n = (this.#asked.get(hash) ?? 0) + 1;
    this.#asked.set(hash, n);
    return `elicitation:${this.#about.toolCallId}:${n}:${hash}`;
  }

  async #untilAnswered(requestId: string, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      signal.throwIfAborted();
      const nudge = this.#listen(signal);
      try {
        const answer = await takeAnswer(this.#deps.db, this.#about, requestId).catch((error: unknown) => {
          this.#deps.logger.warn({ err: error }, 'an answer could not be looked for; trying again');
          return null;
        });
        if (answer) return answer;
        await nudge.heard;
      } finally {
        nudge.end();
      }
    }
  }

  /** `heard`: something was answered, some time has passed, or nobody waits any more. */
  #listen(signal: AbortSignal): { heard: Promise<void>; end(): void } {
    const { promise: heard, resolve } = Promise.withResolvers<void>();
    const off = this.#deps.nudges.on(this.#about.turnId, ({ kind }) => {
      if (kind === 'input') resolve();
    });
    const timer = setTimeout(resolve, LOOK_MS);
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort);
    const end = () => {
      clearTimeout(timer);
      off();
      signal.removeEventListener('abort', onAbort);
    };
    return { heard, end };
  }

  /** The server does not want to know any more, while its call goes on or has ended. */
  async #takeBack(question: OpenQuestion): Promise<void> {
    this.#close(question);
    const { sessionId, turnId } = this.#about;
    const { requestId } = question;
    try {
      const events = await cancelQuestion(this.#deps.db, { sessionId, turnId, requestId }, 'server');
      publishEvents(this.#deps.live, sessionId, events);
    } catch (error) {
      // It is withdrawn with its call, or its turn.
      this.#deps.logger.warn({ err: error }, 'a question could not be taken back');
    }
  }
}

function toElicitationAnswer({ action, content }: Answer): ElicitationAnswer {
  if (action !== 'accept') return { action };
  return { action, content: content as Record<string, unknown> };
}
