import { cutAt } from '../../protocol/text.ts';

const tab = '    ';
const controlPictures = 0x2400;
const deletePicture = '\u2421';
const replacement = '\uFFFD';

/**
 * Text of a model, a tool or another person, made safe for a terminal: control characters are shown as signs instead
 * of being obeyed, and so are the marks that reorder text, because somebody approves by what is shown. Line feeds stay.
 */
export function terminalText(text: string): string {
  let shown = '';
  for (const char of text.replaceAll('\r\n', '\n')) shown += terminalChar(char, char.codePointAt(0) ?? 0);
  return shown;
}

function terminalChar(char: string, code: number): string {
  if (char === '\n') return char;
  if (char === '\t') return tab;
  if (code === 0x2028 || code === 0x2029) return '\n';
  if (code < 0x20) return String.fromCodePoint(controlPictures + code);
  if (code === 0x7f) return deletePicture;
  const isC1 = code >= 0x80 && code <= 0x9f;
  const isBidi = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const isLoneSurrogate = code >= 0xd800 && code <= 0xdfff;
  return isC1 || isBidi || isLoneSurrogate ? replacement : char;
}

/** The end of a long text, from a line's beginning where one is near; what comes before it is counted in lines. */
export function tailOf(text: string, maxChars: number): { tail: string; hiddenLines: number } {
  if (text.length <= maxChars) return { tail: text, hiddenLines: 0 };
  const least = cutAt(text, text.length - maxChars);
  const lineStart = text.indexOf('\n', least) + 1;
  const start = lineStart > 0 && lineStart < text.length ? lineStart : least;
  const tail = text.slice(start);
  return { tail, hiddenLines: text.slice(0, start).split('\n').length - 1 };
}

/** Both ends of a long text: what matters of arguments may come last. */
export function endsOf(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const half = Math.floor(maxChars / 2);
  return `${text.slice(0, cutAt(text, half))}…${text.slice(cutAt(text, text.length - half))}`;
}

/** The beginning of a long text, with a word on how much is not shown. */
export function headOf(text: string, bounds: { maxChars: number; maxLines: number }): string {
  const lines = text.split('\n');
  const byLines = lines.slice(0, bounds.maxLines).join('\n');
  const head = byLines.slice(0, cutAt(byLines, bounds.maxChars));
  const hidden = text.length - head.length;
  return hidden === 0 ? text : `${head} … (${hidden} more characters)`;
}
