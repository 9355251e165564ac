/**
 * Text that Postgres and JSON can carry. Postgres refuses NUL in text and jsonb, jsonb refuses lone
 * surrogates, so both are replaced (U+FFFD) in what models and tools say; what a client sends is
 * refused instead, because there somebody can mend it.
 */
export function cleanText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\u0000') ? wellFormed.replaceAll('\u0000', '\uFFFD') : wellFormed;
}

export function isCleanText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000');
}

/** Whether a name is what it looks like: nothing in it that is not seen, or that turns around what is. */
export function isVisibleName(name: string): boolean {
  return !/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(name);
}

export const invisibleFault = 'holds a control, format or private character, which nobody sees';

/** A copy of a JSON value with every string in it, keys included, cleaned by {@link cleanText}. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanJson);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), cleanJson(item)]));
  }
  return value;
}

/** Whether every string in a JSON value, keys included, is one that Postgres and JSON can carry. */
export function isCleanJson(value: unknown): boolean {
  if (typeof value === 'string') return isCleanText(value);
  if (Array.isArray(value)) return value.every(isCleanJson);
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).every(([key, item]) => isCleanText(key) && isCleanJson(item));
  }
  return true;
}

/**
 * Where in a JSON value a key is `__proto__`, which the parsers of its shape drop without a word: what came back would
 * be something else than what was sent.
 * @returns a sentence that says where, or null
 */
export function protoKeyFault(value: unknown): string | null {
  const where = protoKeyIn(value);
  if (where === null) return null;
  return `Field "${where}": no key may be "__proto__", because it cannot be kept as it is; remove it and send again.`;
}

function protoKeyIn(value: unknown): string | null {
  // Not by recursion: what is nested without end is for whoever parses it to refuse.
  const open = [{ at: '', value: Object(value) as object }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [key, item] of Object.entries(next.value)) {
      if (key === '__proto__') return `${next.at}${key}`;
      if (item !== null && typeof item === 'object') open.push({ at: `${next.at}${key}.`, value: item });
    }
  }
  return null;
}

/**
 * Why a value that was parsed as JSON could not be told on as it is: arrays and objects lie in one another more than
 * `depthMax` times, which would exhaust somebody's stack, or a number is too large (1e999 is Infinity to JavaScript, and
 * null when it is written again).
 */
export function jsonMisfit(value: unknown, depthMax: number): 'depth' | 'number' | null {
  // Not by recursion: it is asked of what is nested without end, too.
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    const inner: unknown[] = [];
    for (const item of level) {
      if (typeof item === 'number' && !Number.isFinite(item)) return 'number';
      if (item === null || typeof item !== 'object') continue;
      if (depth >= depthMax) return 'depth';
      for (const part of Object.values(item)) inner.push(part);
    }
    level = inner;
  }
  return null;
}

/** The largest length ≤ `end` at which `text` can be cut without splitting a surrogate pair. */
export function cutAt(text: string, end: number): number {
  if (end <= 0 || end >= text.length) return Math.max(0, Math.min(end, text.length));
  const before = text.charCodeAt(end - 1);
  return before >= 0xd800 && before <= 0xdbff ? end - 1 : end;
}
