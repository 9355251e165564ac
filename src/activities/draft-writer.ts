import type { Logger } from 'pino';
import type { Db } from '../store/db.ts';
import { type Draft, writeDrafts } from '../store/drafts.ts';

const TICK_MS = 25;
/** Several times a second: what a resuming client waits for at most, when the live plane lost the rest. */
const SHORT_TEXT_EVERY_MS = 250;
/** Drafts are written whole, so long ones are written less often; a healing hub waits longer than this. */
const LONG_TEXT_EVERY_MS = 800;
const CHARS_A_MS = 32;
/** Text of one statement. All streams at once, with hundreds of them, held up every delta of the process. */
const STATEMENT_CHARS = 64 * 1024;

/** A stream whose text is still growing. `version` changes with every piece. */
export interface DraftSource {
  version(): number;
  read(): Draft;
}

interface Written {
  version: number;
  /** When its next draft may be written; `performance.now()`. */
  dueAt: number;
}

/** Writes the drafts of the process's streams, those that grew, some at a time and one statement after the other. */
export class DraftWriter {
  readonly #db: Db;
  readonly #logger: Logger;
  readonly #written = new Map<DraftSource, Written>();
  #writing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(db: Db, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  /** @returns the way to stop: no draft of it is being written any more when that settles */
  add(source: DraftSource): () => Promise<void> {
    this.#written.set(source, { version: 0, dueAt: 0 });
    this.#timer ??= setInterval(() => this.#tick(performance.now()), TICK_MS);
    return async () => {
      this.#written.delete(source);
      if (this.#written.size === 0 && this.#timer) {
        clearInterval(this.#timer);
        this.#timer = null;
      }
      await this.#writing;
    };
  }

  #tick(now: number): void {
    if (this.#writing) return;
    const drafts = this.#take(now);
    if (drafts.length === 0) return;
    this.#writing = writeDrafts(this.#db, drafts)
      .catch((error: unknown) => {
        // Nothing is lost: the next write brings the full text. It only must come, also without a new piece.
        this.#logger.warn({ err: error }, 'drafts were not written; they will be with the next text');
        for (const written of this.#written.values()) written.version = -1;
      })
      .finally(() => {
        this.#writing = null;
      });
  }

  /** Those that are due, the longest waiting first, as much as one statement takes. */
  #take(now: number): Draft[] {
    const due = [...this.#written]
      .filter(([source, written]) => written.dueAt <= now && source.version() !== written.version)
      .toSorted(([, a], [, b]) => a.dueAt - b.dueAt);
    const drafts: Draft[] = [];
    let chars = 0;
    for (const [source, written] of due) {
      if (chars >= STATEMENT_CHARS) break;
      const draft = source.read();
      const length = draft.content.length + draft.thought.length;
      chars += length;
      written.version = source.version();
      written.dueAt = now + pauseMs(length);
      drafts.push(draft);
    }
    return drafts;
  }
}

function pauseMs(chars: number): number {
  return Math.min(LONG_TEXT_EVERY_MS, Math.max(SHORT_TEXT_EVERY_MS, chars / CHARS_A_MS));
}
