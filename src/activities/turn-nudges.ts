import type { TurnNudge } from '../live/port.ts';

/** Lets the activity that works on a turn in this process hear of a cancel or stop at once. */
export class TurnNudges {
  readonly #handlers = new Map<string, Set<(nudge: TurnNudge) => void>>();

  /** @returns the way to stop listening */
  on(turnId: string, handler: (nudge: TurnNudge) => void): () => void {
    const handlers = this.#handlers.get(turnId) ?? new Set();
    handlers.add(handler);
    this.#handlers.set(turnId, handlers);
    return () => {
      handlers.delete(handler);
      if (handlers.size === 0 && this.#handlers.get(turnId) === handlers) this.#handlers.delete(turnId);
    };
  }

  deliver(nudge: TurnNudge): void {
    for (const handler of this.#handlers.get(nudge.turnId) ?? []) handler(nudge);
  }
}
