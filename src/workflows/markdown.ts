/*
 * Words of models, tools and people on a page of Markdown: only ever as code, in which no link, image, HTML or heading
 * is anything but its characters. What a reader would not see is written as its number.
 */

/** Controls but tab and newline, what turns the direction of text around or has no width, and halves of characters. */
const unseen = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function visible(text: string): string {
  return text.replace(unseen, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max)}… (${text.length - max} more characters)`;
}

/** The longest run of backticks in a text. */
function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

/** In a line, at most `max` characters of it. */
export function inlineCode(text: string, max = 300): string {
  const line = visible(cut(text, max)).replace(/\s+/g, ' ');
  if (line.trim() === '') return '(empty)';
  const fence = '`'.repeat(longestRun(line) + 1);
  const pad = /^[` ]|[` ]$/.test(line) ? ' ' : '';
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** Lines of their own, at most `max` characters of it. */
export function codeBlock(text: string, language: string, max: number): string {
  const lines = visible(cut(text, max).replaceAll('\r\n', '\n'));
  const fence = '`'.repeat(Math.max(3, longestRun(lines) + 1));
  return `${fence}${language}\n${lines}\n${fence}`;
}
