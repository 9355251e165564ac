/** Whether a place of a pattern takes a code point. */
export interface CharTest {
  takes(point: number): boolean;
  /** The same for the first 128, without a call. */
  ascii: Uint8Array;
}

const asciiPoints = 128;
const keptMax = 5_000;
/** The same characters stand in many patterns. */
const kept = new Map<string, CharTest>();

/**
 * Which characters one place takes: JavaScript's own word on it, kept for ASCII and for the character asked last.
 * @param source a class, an escape or a character, as {@link readPattern} cuts it out
 */
export function charTest(source: string, flags: string): CharTest {
  const key = `${flags}/${source}`;
  const known = kept.get(key);
  if (known) return known;
  const made = makeTest(new RegExp(`^${source}$`, flags));
  if (kept.size >= keptMax) kept.clear();
  kept.set(key, made);
  return made;
}

function makeTest(expression: RegExp): CharTest {
  const ask = (point: number) => expression.test(String.fromCodePoint(point));
  const ascii = Uint8Array.from({ length: asciiPoints }, (_, point) => (ask(point) ? 1 : 0));
  let last = { point: -1, fits: false };
  return {
    ascii,
    takes(point) {
      if (point < asciiPoints) return ascii[point] === 1;
      if (point !== last.point) last = { point, fits: ask(point) };
      return last.fits;
    },
  };
}
