import { readFileSync } from 'node:fs';
import { errorCode, errorText } from '../../protocol/error-text.ts';
import { CommandFailure } from './failure.ts';

/**
 * Reads an option that holds JSON: as it stands, `@file`, or `-` for standard input.
 * @throws CommandFailure where it is no JSON object
 */
export function jsonArgument(option: string, given: string): Record<string, unknown> {
  const text = textOf(option, given);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure('failed', `${option} is no JSON: ${errorText(error)}.`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new CommandFailure(
      'failed',
      `${option} has to be a JSON object, such as {"to":"bob@example.com"}.`,
    );
  }
  return value as Record<string, unknown>;
}

function textOf(option: string, given: string): string {
  const file = given === '-' ? 0 : given.startsWith('@') ? given.slice(1) : null;
  if (file === null) return given;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is none' : errorText(error);
    throw new CommandFailure('failed', `${option} names the file ${given.slice(1)}, but ${why}.`);
  }
}
