import { types } from 'node:util';

/** What an error says. Not by `instanceof`, which is false for errors of another realm (a vm context, a test). */
export function errorText(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

/** The `code` of a system error such as `ENOENT`, where there is one. */
export function errorCode(error: unknown): string | undefined {
  if (error === null || typeof error !== 'object' || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
