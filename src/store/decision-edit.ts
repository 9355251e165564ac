import { argumentsHash as hashOf } from '../gate/hashes.ts';
import { checkArguments } from '../gate/schema-words.ts';
import { PublicError } from '../protocol/errors.ts';
import type { Tx } from './db.ts';
import type { GateRow } from './gate-rows.ts';
import { mayHaveRun } from './lost-call.ts';
import { readSchema } from './tool-definitions.ts';
import type { Verdict } from './verdict.ts';

/**
 * The call as it is to run after what somebody says of it. What they want to run instead must be something that the tool
 * takes.
 * @returns the row itself where its arguments are as they were
 * @throws PublicError `validation_error`
 */
export async function toRun(tx: Tx, verdict: Verdict, row: GateRow): Promise<GateRow> {
  const { arguments: edited } = verdict;
  if (edited === undefined) return row;
  if (verdict.outcome !== 'approved') {
    throw new PublicError('validation_error', 'Field "arguments": only what is approved can be changed.');
  }
  const hash = hashOf(edited);
  // As it is already: perhaps sent again.
  if (hash === row.arguments_hash) return row;
  // Its server may know the key, and would answer what was sent first.
  if (row.status === 'waiting' && mayHaveRun(row)) {
    throw new PublicError(
      'validation_error',
      'Field "arguments": this call was sent before as it is, and may have had its effect, so it cannot become another one; approve or reject it as it is, and the model can ask anew.',
    );
  }
  const schema = row.tool_hash === null ? null : await readSchema(tx, row.tool_hash);
  if (schema === null) {
    throw new PublicError(
      'validation_error',
      'Field "arguments": the schema of this tool is not known, so its arguments cannot be changed; approve or reject it as it is.',
    );
  }
  const problem = checkArguments(schema, edited);
  if (problem !== null) throw new PublicError('validation_error', `Field "arguments": ${problem}`);
  return { ...row, arguments: edited, arguments_hash: hash };
}
