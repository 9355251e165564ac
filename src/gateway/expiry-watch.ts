/** What ends when its token expires. */
export interface Watched {
  /** Milliseconds since 1970; null: never. */
  renew(expiresAt: number | null): void;
  /** To be called when it has ended by itself; may be called again. */
  stop(): void;
}

/** Where entries wait. */
interface Keeper {
  put(entry: Entry, slot: number): void;
  take(entry: Entry): void;
}

/** Has methods and no closures of its own: there is one for every connection. */
class Entry implements Watched {
  slot = Number.POSITIVE_INFINITY;
  readonly expire: () => void;
  readonly #keeper: Keeper;

  constructor(keeper: Keeper, expire: () => void) {
    this.#keeper = keeper;
    this.expire = expire;
  }

  renew(until: number | null): void {
    this.stop();
    if (until !== null) this.#keeper.put(this, slotOf(until));
  }

  stop(): void {
    this.#keeper.take(this);
  }
}

const slotMs = 250;
/** Not before: a token counts up to the very millisecond. */
const slotOf = (expiresAt: number): number => Math.ceil(expiresAt / slotMs);

/**
 * Ends what lives on a token within half a second of the token's end, whatever carries it. One timer for all: what
 * expires in the same quarter of a second waits together, so that 15,000 connections cost a look at one empty slot.
 */
export class ExpiryWatch {
  readonly #slots = new Map<number, Set<Entry>>();
  readonly #keeper: Keeper = {
    put: (entry, slot) => this.#put(entry, slot),
    take: (entry) => this.#take(entry),
  };
  readonly #timer: NodeJS.Timeout;
  #passed = Math.floor(Date.now() / slotMs);

  constructor() {
    this.#timer = setInterval(() => this.pass(Date.now()), slotMs);
    this.#timer.unref();
  }

  /** How many are watched. */
  get size(): number {
    let size = 0;
    for (const entries of this.#slots.values()) size += entries.size;
    return size;
  }

  /**
   * @param expiresAt milliseconds since 1970; null: never
   * @param expire called once, at the end; it is not watched any more then
   */
  watch(expiresAt: number | null, expire: () => void): Watched {
    const entry = new Entry(this.#keeper, expire);
    entry.renew(expiresAt);
    return entry;
  }

  /** Ends what has expired until `now`; done by itself a few times a second. */
  pass(now: number): void {
    const last = Math.floor(now / slotMs);
    // After a sleep of the machine more slots have passed than there are in use.
    const passed =
      last - this.#passed > this.#slots.size
        ? [...this.#slots.keys()].filter((slot) => slot <= last)
        : Array.from({ length: Math.max(0, last - this.#passed) }, (_, n) => this.#passed + 1 + n);
    this.#passed = Math.max(this.#passed, last);
    for (const slot of passed) {
      // Whoever is stopped by another's end is taken out of this set, and does not end too.
      for (const entry of this.#slots.get(slot) ?? []) entry.expire();
      this.#slots.delete(slot);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#slots.clear();
  }

  #put(entry: Entry, slot: number): void {
    // What has expired already ends in the next round.
    entry.slot = Math.max(slot, this.#passed + 1);
    const entries = this.#slots.get(entry.slot) ?? new Set<Entry>();
    this.#slots.set(entry.slot, entries.add(entry));
  }

  #take(entry: Entry): void {
    const entries = this.#slots.get(entry.slot);
    if (entries?.delete(entry) && entries.size === 0) this.#slots.delete(entry.slot);
  }
}
