/**
 * Whether a text fits a pattern in which `*` stands for any characters (also none) and `?` for one. Takes at most time
 * in proportion to the product of both lengths, whatever they say.
 */
export function globMatches(pattern: string, text: string): boolean {
  let at = 0;
  let read = 0;
  /** Where the last star stands, and up to where it has taken the text. */
  let star = -1;
  let taken = 0;
  while (read < text.length) {
    const wanted = pattern[at];
    if (wanted === '*') {
      star = at;
      taken = read;
      at += 1;
    } else if (wanted === '?' || wanted === text[read]) {
      at += 1;
      read += 1;
    } else if (star >= 0) {
      taken += 1;
      read = taken;
      at = star + 1;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
