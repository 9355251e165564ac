import { errorText } from '../protocol/error-text.ts';
import { limits } from '../protocol/limits.ts';
import { cleanJson, jsonMisfit } from '../protocol/text.ts';

const argumentsChars = 256 * 1024;
const words = {
  depth: `are nested more than ${limits.jsonDepth} levels deep`,
  number: 'hold a number that is too large',
};

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
  const misfit = jsonMisfit(value, limits.jsonDepth);
  return misfit === null ? null : fault(words[misfit]);
}

function fault(what: string): Extract<ParsedArguments, { ok: false }> {
  return { ok: false, error: `The arguments of this tool call ${what}.` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
