/** Views by the id of what they show: made once, updated when it changes, dropped with it. */
export class Keyed<Item, View extends { element: Element; update(item: Item): void }> {
  readonly #make: (item: Item) => View;
  readonly #views = new Map<string, { view: View; item: Item }>();

  constructor(make: (item: Item) => View) {
    this.#make = make;
  }

  /** The elements of these items, in their order. An item that is the same object is not looked at again. */
  show(items: readonly Item[], idOf: (item: Item) => string): Element[] {
    const ids = new Set(items.map(idOf));
    for (const id of this.#views.keys()) if (!ids.has(id)) this.#views.delete(id);
    return items.map((item) => {
      const known = this.#views.get(idOf(item));
      if (known) {
        if (known.item !== item) known.view.update(item);
        known.item = item;
        return known.view.element;
      }
      const view = this.#make(item);
      view.update(item);
      this.#views.set(idOf(item), { view, item });
      return view.element;
    });
  }
}
