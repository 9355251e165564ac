import type { ClientAddress, Route } from './client-address.ts';

/** Room that a connection takes; given back once. */
export interface Visit {
  /** Where they come from, as it is counted. */
  readonly address: string;
  leave(): void;
}

/**
 * The connections of this gateway, counted where they begin: before anybody has said who they are. Bounds what one
 * address may hold, and all together.
 */
export class Visitors {
  readonly #addressOf: ClientAddress;
  readonly #maxOfAddress: number;
  readonly #max: number;
  readonly #ofAddress = new Map<string, number>();
  #all = 0;

  /** @param bounds 0 is none */
  constructor(addressOf: ClientAddress, bounds: { ofAddress: number; all: number }) {
    this.#addressOf = addressOf;
    this.#maxOfAddress = bounds.ofAddress || Number.POSITIVE_INFINITY;
    this.#max = bounds.all || Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#all + this.#ofAddress.size;
  }

  /** Answers null when there is no room. */
  enter(route: Route): Visit | null {
    const address = this.#addressOf(route);
    const count = this.#ofAddress.get(address) ?? 0;
    if (this.#all >= this.#max || count >= this.#maxOfAddress) return null;
    this.#ofAddress.set(address, count + 1);
    this.#all += 1;
    let isHere = true;
    return {
      address,
      leave: () => {
        if (isHere) this.#leave(address);
        isHere = false;
      },
    };
  }

  #leave(address: string): void {
    const count = (this.#ofAddress.get(address) ?? 1) - 1;
    if (count === 0) this.#ofAddress.delete(address);
    else this.#ofAddress.set(address, count);
    this.#all -= 1;
  }
}
