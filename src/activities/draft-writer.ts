import type { Logger } from 'pino';
import type { Db } from '../store/db.ts';
import { type Draft, writeDrafts } from '../store/drafts.ts';

/** Several times a second: what a resuming client waits for at most, when the live plane lost the rest. */
const WRITE_EVERY_MS = 250;

/** A stream whose text is still growing. `version` changes with every piece. */
export interface DraftSource {
  version(): number;
  read(): Draft;
}

/** Writes the drafts of all streams of the process, those that grew, in one statement at a time. */
export class DraftWriter {
  readonly #db: Db;
  readonly #logger: Logger;
  readonly #written = new Map<DraftSource, number>();
  #writing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(db: Db, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  /** @returns the way to stop: no draft of it is being written any more when that settles */
  add(source: DraftSource): () => Promise<void> {
    this.#written.set(source, 0);
    this.#timer ??= setInterval(() => this.#tick(), WRITE_EVERY_MS);
    return async () => {
      this.#written.delete(source);
      if (this.#written.size === 0 && this.#timer) {
        clearInterval(this.#timer);
        this.#timer = null;
      }
      await this.#writing;
    };
  }

  #tick(): void {
    if (this.#writing) return;
    const drafts: Draft[] = [];
    for (const [source, version] of this.#written) {
      if (source.version() === version) continue;
      this.#written.set(source, source.version());
      drafts.push(source.read());
    }
    if (drafts.length === 0) return;
    this.#writing = writeDrafts(this.#db, drafts)
      .catch((error: unknown) => {
        // Nothing is lost: the next write brings the full text. It only must come, also without a new piece.
        this.#logger.warn({ err: error }, 'drafts were not written; they will be with the next text');
        for (const source of this.#written.keys()) this.#written.set(source, -1);
      })
      .finally(() => {
        this.#writing = null;
      });
  }
}
