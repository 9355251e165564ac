import { shownJson } from '../../client/index.ts';
import { headOf, terminalText } from '../chat/terminal-text.ts';

/** Text of others on one line, harmless to a terminal. */
export function safe(text: string): string {
  return terminalText(text).replaceAll('\n', ' ');
}

const lineBounds = { maxChars: 300, maxLines: 1 };

/** A value as JSON on one line, harmless to a terminal, with a word on what is not shown. */
export function shortJson(value: unknown): string {
  return headOf(safe(shownJson(value)), lineBounds);
}

/** A value as JSON on several lines, all of it: a person decides by it. */
export function longJson(value: unknown, indent = ''): string {
  const text = terminalText(shownJson(value, 2));
  return text.replaceAll('\n', `\n${indent}`);
}

/** The same, with the keys of objects in one order: two values differ where they differ in what they say. */
export function sortedJson(value: unknown): string {
  return terminalText(shownJson(sorted(value), 2));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `3 min`, from the largest unit of which there is a whole one. */
function spanText(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms >= size) ?? units[3];
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`;
}

export function agoText(at: number, now = Date.now()): string {
  return at > now ? `in ${spanText(at - now)}` : `${spanText(now - at)} ago`;
}

/** `expires in 3 h`, or that its time was up. */
export function expiryText(at: number | null, now = Date.now()): string {
  if (at === null) return 'never expires';
  return at > now ? `expires in ${spanText(at - now)}` : `its time was up ${spanText(now - at)} ago`;
}
