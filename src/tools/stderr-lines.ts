import { Readable, type Stream } from 'node:stream';

const lineChars = 1_000;
const linesPerMinute = 600;
const keptLines = 5;

/**
 * Reads what a child writes to stderr, line by line and within bounds: long lines are cut, and of a flood
 * only the first lines of each minute are given on.
 * @returns the last few lines, for the message when the child fails
 */
export function readStderrLines(stream: Stream | null, onLine: (line: string) => void): () => string[] {
  const last: string[] = [];
  if (!(stream instanceof Readable)) return () => [];
  let rest = '';
  let windowEnd = 0;
  let inWindow = 0;
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(0, lineChars);
    for (const line of lines) take(line.trimEnd().slice(0, lineChars));
  });
  // Also what a dying child wrote without a line's end; it may be the reason.
  stream.on('end', () => take(rest));

  function take(line: string): void {
    if (line === '') return;
    last.push(line);
    if (last.length > keptLines) last.shift();
    const now = Date.now();
    if (now >= windowEnd) {
      windowEnd = now + 60_000;
      inWindow = 0;
    }
    inWindow += 1;
    if (inWindow <= linesPerMinute) onLine(line);
    else if (inWindow === linesPerMinute + 1) onLine('[more lines in this minute are left out]');
  }

  return () => [...last];
}
