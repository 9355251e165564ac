import { styleText } from 'node:util';

const columns = 96;
const margin = '    ';

/** What the person at the console reads. */
export interface Narrator {
  /** A new part of the tour. */
  part(title: string): void;
  /** Something that happened, with how long it took where that says something. */
  told(line: string, tookMs?: number): void;
  /** A line of `turngate dev`. */
  supervisor(line: string): void;
  /** A delta as it arrives; a bar shows where it ended. */
  delta(text: string): void;
  /** The end of a streamed text. */
  endOfText(): void;
  plain(line: string): void;
}

export function createNarrator(write: (text: string) => void): Narrator {
  let column = 0;
  let parts = 0;
  const line = (text: string) => {
    if (column > 0) write('\n');
    column = 0;
    write(`${text}\n`);
  };
  return {
    part(title) {
      parts += 1;
      line('');
      line(styleText('bold', `${parts}. ${title}`));
    },
    told(text, tookMs) {
      line(`${margin}${text}${tookMs === undefined ? '' : styleText('cyan', `  [${duration(tookMs)}]`)}`);
    },
    supervisor: (text) => line(styleText('dim', `${margin}dev: ${text}`)),
    delta(text) {
      for (const [index, piece] of text.split('\n').entries()) {
        if (index > 0) {
          write('\n');
          column = 0;
        }
        if (piece === '') continue;
        if (column > 0 && column + piece.length > columns) {
          write('\n');
          column = 0;
        }
        write(column === 0 ? `${margin}> ${piece}` : piece);
        column += piece.length + 1;
      }
      write(styleText('dim', '|'));
    },
    endOfText() {
      if (column > 0) write('\n');
      column = 0;
    },
    plain: line,
  };
}

export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
