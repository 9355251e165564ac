import { limits } from '../protocol/limits.ts';
import { isCleanText } from '../protocol/text.ts';

export type DeviceName = { name: string | null } | { invalid: string };

/** The name that a client gives itself in the query `device`; null where it gives none. */
export function deviceOf(query: URLSearchParams): DeviceName {
  const name = query.get('device') ?? '';
  if (name.length > limits.deviceChars || !isCleanText(name)) {
    return { invalid: `The query "device" must have at most ${limits.deviceChars} characters, without NUL.` };
  }
  return { name: name === '' ? null : name };
}
