import { cleanText } from '../protocol/text.ts';

/**
 * Makes pieces of text that are whole: a surrogate pair that a server split over two chunks is put together
 * again, what Postgres cannot carry is replaced, and nothing empty is given on.
 */
export function createTextPieces(give: (piece: string) => void): { push(piece: string): void; end(): void } {
  let held = '';
  return {
    push(piece) {
      let text = held + piece;
      const last = text.charCodeAt(text.length - 1);
      const split = last >= 0xd800 && last <= 0xdbff;
      held = split ? text.slice(-1) : '';
      if (split) text = text.slice(0, -1);
      if (text !== '') give(cleanText(text));
    },
    end() {
      if (held !== '') give(cleanText(held));
      held = '';
    },
  };
}
