import { setTimeout as delay } from 'node:timers/promises';

const firstPieceFactor = 12;
const sentenceFactor = 5;
const pieceChars = 12;

/** Text as a model would send it: words with the space before them, long ones in parts. Joined, it is the text again. */
export function toPieces(text: string): string[] {
  return (text.match(/\s*\S+|\s+$/g) ?? []).flatMap((word) => {
    if (word.length <= pieceChars) return [word];
    // By whole characters, so that no piece ends inside of one.
    return word.match(new RegExp(`.{1,${pieceChars}}`, 'gsu')) ?? [word];
  });
}

export interface Pace {
  /** Before the first piece: the time a model takes to begin. */
  begin(signal: AbortSignal): Promise<void>;
  /** After each piece: mostly short, longer where a sentence ends. Rejects when `signal` is aborted. */
  after(piece: string, signal: AbortSignal): Promise<void>;
}

/** @param pieceMs time between two pieces, on average; 0 is full speed */
export function createPace(pieceMs: number): Pace {
  const wait = async (factor: number, signal: AbortSignal) => {
    signal.throwIfAborted();
    if (pieceMs > 0) await delay(pieceMs * factor, undefined, { signal });
  };
  return {
    begin: (signal) => wait(firstPieceFactor, signal),
    after: (piece, signal) =>
      wait((/[.!?:]$/.test(piece) ? sentenceFactor : 1) * (0.4 + 1.2 * Math.random()), signal),
  };
}
