import { TurngateError } from '../client/index.ts';

/** What went wrong, in words; nothing where the session was closed here. */
export function faultText(error: unknown): string {
  if (error instanceof TurngateError && error.code === 'closed') return '';
  return error instanceof Error ? error.message : String(error);
}
