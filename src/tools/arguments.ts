import { errorText } from '../protocol/error-text.ts';
import { cleanJson } from '../protocol/text.ts';

const argumentsChars = 256 * 1024;
const argumentsDepth = 64;

export type ParsedArguments =
  | { ok: true; arguments: Record<string, unknown> }
  /** `error` is a sentence for the model, which can write the call again. */
  | { ok: false; error: string };

/** The JSON that a model wrote as a call's arguments, cleaned for Postgres. Nothing at all means no arguments. */
export function parseArguments(text: string): ParsedArguments {
  if (text.trim() === '') return { ok: true, arguments: {} };
  if (text.length > argumentsChars) {
    return fault(`are longer than ${argumentsChars} characters; make them shorter`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fault(`are not valid JSON (${errorText(error)})`);
  }
  const unfit = unfitArguments(value);
  if (unfit !== null) return unfit;
  const cleaned = cleanJson(value);
  return isObject(cleaned) ? { ok: true, arguments: cleaned } : fault('must be a JSON object');
}

/** Null where nothing is in them that keeps such a call from every rule. */
export function unfitArguments(value: unknown): Extract<ParsedArguments, { ok: false }> | null {
  const misfit = findMisfit(value);
  return misfit === undefined ? null : fault(misfit);
}

function fault(what: string): Extract<ParsedArguments, { ok: false }> {
  return { ok: false, error: `The arguments of this tool call ${what}.` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** What no canonical form exists for (1e999 is Infinity to JavaScript), or what would exhaust the stack. */
function findMisfit(value: unknown): string | undefined {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > argumentsDepth) return `are nested more than ${argumentsDepth} levels deep`;
    if (level.some((item) => typeof item === 'number' && !Number.isFinite(item))) {
      return 'hold a number that is too large';
    }
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []));
  }
  return undefined;
}
