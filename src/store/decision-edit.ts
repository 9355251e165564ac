import { argumentsHash as hashOf } from '../gate/hashes.ts';
import { PublicError } from '../protocol/errors.ts';
import type { Tx } from './db.ts';
import type { GateRow } from './gate-rows.ts';
import { readSchema } from './tool-definitions.ts';
import type { Verdict } from './verdict.ts';

/**
 * What a person wants to run instead must be something that the tool takes.
 * @returns undefined where it is as it was
 * @throws PublicError `validation_error`
 */
export async function checkEdit(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  edited: Record<string, unknown>,
): Promise<Record<string, unknown> | undefined> {
  if (verdict.outcome !== 'approved') {
    throw new PublicError('validation_error', 'Field "arguments": only what is approved can be changed.');
  }
  // As it is already: perhaps sent again.
  if (hashOf(edited) === row.arguments_hash) return undefined;
  const schema = row.tool_hash === null ? null : await readSchema(tx, row.tool_hash);
  if (schema === null || verdict.checkArguments === undefined) {
    throw new PublicError(
      'validation_error',
      'Field "arguments": the schema of this tool is not known, so its arguments cannot be changed; approve or reject it as it is.',
    );
  }
  const problem = verdict.checkArguments(schema, edited);
  if (problem !== null) throw new PublicError('validation_error', `Field "arguments": ${problem}`);
  return edited;
}
