import { limits } from '../protocol/limits.ts';
import { isCleanText } from '../protocol/text.ts';

export interface Device {
  /** null where it gives itself none. */
  name: string | null;
  /** When it dialled, by its own clock in milliseconds; null where it does not say. */
  dialledAt: number | null;
}

/** What a client says of itself in the queries `device` and `dialled_at`. */
export function deviceOf(query: URLSearchParams): Device | { invalid: string } {
  const name = query.get('device') ?? '';
  if (name.length > limits.deviceChars || !isCleanText(name)) {
    return { invalid: `The query "device" must have at most ${limits.deviceChars} characters, without NUL.` };
  }
  const dialled = query.get('dialled_at');
  if (dialled !== null && !/^\d{1,15}$/.test(dialled)) {
    return { invalid: 'The query "dialled_at" must be a time in milliseconds, by the clock of the client.' };
  }
  return { name: name === '' ? null : name, dialledAt: dialled === null ? null : Number(dialled) };
}
