/** Above this many comparisons two texts are shown one after the other. */
const maxComparisons = 1_000_000;

/**
 * What is different between two texts, line by line: `- ` is gone, `+ ` has come, two spaces stayed. Pure.
 */
export function difference(before: string, after: string): string {
  const [old, next] = [before.split('\n'), after.split('\n')];
  if (old.length * next.length > maxComparisons) {
    return [...old.map((line) => `- ${line}`), ...next.map((line) => `+ ${line}`)].join('\n');
  }
  const common = commonLengths(old, next);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < next.length) {
    if (i < old.length && j < next.length && old[i] === next[j]) {
      lines.push(`  ${old[i]}`);
      i += 1;
      j += 1;
    } else if (
      j === next.length ||
      (i < old.length && lengthAt(common, i + 1, j) >= lengthAt(common, i, j + 1))
    ) {
      lines.push(`- ${old[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${next[j]}`);
      j += 1;
    }
  }
  return lines.join('\n');
}

/** At [i][j], how many lines of `old` from i on and of `next` from j on are common, in their order. */
function commonLengths(old: string[], next: string[]): Uint32Array[] {
  const rows = Array.from({ length: old.length + 1 }, () => new Uint32Array(next.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = next.length - 1; j >= 0; j -= 1) {
      const row = rows[i];
      if (!row) continue;
      row[j] =
        old[i] === next[j]
          ? lengthAt(rows, i + 1, j + 1) + 1
          : Math.max(lengthAt(rows, i + 1, j), lengthAt(rows, i, j + 1));
    }
  }
  return rows;
}

function lengthAt(rows: Uint32Array[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0;
}
