/** One immutable value and those who want to know when it changes; fits React's `useSyncExternalStore`. */
export class Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();
  readonly #onError: (error: unknown) => void;

  /** @param onError hears what a listener threw; the others are told all the same */
  constructor(value: T, onError: (error: unknown) => void) {
    this.#value = value;
    this.#onError = onError;
  }

  readonly getSnapshot = (): T => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    // A function of its own, so that the same listener can be there twice.
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  };

  set(value: T): void {
    if (value === this.#value) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
