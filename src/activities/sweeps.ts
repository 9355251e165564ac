import type { Logger } from 'pino';
import type { AttachmentStore } from '../store/attachment-store.ts';
import { removeUnusedAttachments } from '../store/attachments.ts';
import type { Db } from '../store/db.ts';
import { sweepDrafts } from '../store/drafts.ts';
import { removeOldFeedItems } from '../store/feed-retention.ts';
import { purgeSessions } from '../store/purge.ts';
import { removeOldEvents } from '../store/retention.ts';
import { sweepRevocations } from '../store/revocations.ts';
import { sweepTickets } from '../store/tickets.ts';
import { sweepUsage } from '../store/usage.ts';

const HOURLY_MS = 3_600_000;
const PURGE_EVERY_MS = 10_000;
const RETENTION_EVERY_MS = 10_000;
const ATTACHMENTS_EVERY_MS = 60_000;
const SESSIONS_PER_SWEEP = 50;
const ATTACHMENTS_PER_SWEEP = 100;

export interface SweepDeps {
  db: Db;
  attachments: AttachmentStore;
  /** An attachment that no message took in this time is removed. */
  unusedAttachmentMs: number;
  /** How long events are kept; 0: for ever. */
  retentionMs: number;
  logger: Logger;
}

export interface Sweep {
  what: string;
  /** Where it fails it stays due. */
  run(): Promise<void>;
}

interface Kind {
  what: string;
  everyMs: number;
  /** @returns true where more is due at once */
  work(): Promise<unknown>;
  sweptAt: number;
}

/** Removes what is over, each kind in its own time. */
export class Sweeps {
  readonly #kinds: Kind[];

  constructor(deps: SweepDeps) {
    const { db, retentionMs } = deps;
    const startedAt = Date.now();
    this.#kinds = [
      { what: 'drafts', everyMs: HOURLY_MS, work: () => sweepDrafts(db), sweptAt: startedAt },
      { what: 'old usage', everyMs: HOURLY_MS, work: () => sweepUsage(db), sweptAt: startedAt },
      { what: 'deleted sessions', everyMs: PURGE_EVERY_MS, work: () => purge(deps), sweptAt: 0 },
      { what: 'tickets', everyMs: PURGE_EVERY_MS, work: () => sweepTickets(db), sweptAt: 0 },
      { what: 'revocations', everyMs: PURGE_EVERY_MS, work: () => sweepRevocations(db), sweptAt: 0 },
      {
        what: 'attachments',
        everyMs: ATTACHMENTS_EVERY_MS,
        work: () => removeAttachments(deps),
        sweptAt: 0,
      },
    ];
    if (retentionMs === 0) return;
    const work = () => removeOld(db, retentionMs);
    this.#kinds.push({ what: 'old events', everyMs: RETENTION_EVERY_MS, work, sweptAt: 0 });
  }

  due(): Sweep[] {
    const now = Date.now();
    return this.#kinds
      .filter(({ sweptAt, everyMs }) => now - sweptAt > everyMs)
      .map((kind) => ({
        what: kind.what,
        async run() {
          const isMoreDue = (await kind.work()) === true;
          kind.sweptAt = isMoreDue ? 0 : now;
        },
      }));
  }
}

async function purge({ db, logger }: SweepDeps): Promise<void> {
  for (const id of await purgeSessions(db, SESSIONS_PER_SWEEP)) {
    logger.info({ session_id: id }, 'a deleted session is gone for good');
  }
}

async function removeAttachments(deps: SweepDeps): Promise<void> {
  const { db, attachments, unusedAttachmentMs: unusedForMs, logger } = deps;
  const limit = ATTACHMENTS_PER_SWEEP;
  const removed = await removeUnusedAttachments(db, attachments, { unusedForMs, limit });
  if (removed > 0) logger.info({ removed }, 'attachments that no message took were removed');
}

async function removeOld(db: Db, retentionMs: number): Promise<boolean> {
  const isMoreDue = [await removeOldEvents(db, retentionMs), await removeOldFeedItems(db, retentionMs)];
  return isMoreDue.includes(true);
}
