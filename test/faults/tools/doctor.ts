import type { ToolsRecord } from './record.ts';

/** @throws Error where the list is shorter */
export function at<T>(list: T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`The record has no ${index}.`);
  return found;
}

/** A person said of the lost call that it is to be made again, and it was. */
export function runAgain(record: ToolsRecord): void {
  at(record.questions, 0).content = { outcome: 'run_again' };
  at(record.answered, 0).content = { outcome: 'run_again' };
  at(record.calls, 1).attempt = 2;
  record.effects.push({ ...at(record.effects, 2), id: 'e7', attempt: 2 });
  at(record.calls, 1).result = 'e7';
  setStatus(record, 1, 'completed');
}

/** The ledger and the events say it. */
export function setStatus(record: ToolsRecord, index: number, status: string): void {
  const call = at(record.calls, index);
  call.status = status;
  for (const { type, body } of record.events) {
    if (type === 'tool_result' && body.tool_call_id === call.id) body.status = status;
  }
}
