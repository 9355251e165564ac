/** What a person reads when a command cannot start: what happened, why, what to do. Printed without a stack. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/** The words of any thrown value, for a sentence on the console. */
export function reasonOf(error: unknown): string {
  return isObject(error) && typeof error.message === 'string' ? error.message : String(error);
}

/** The code of a system error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return isObject(error) && typeof error.code === 'string' ? error.code : undefined;
}

// Not `instanceof Error`: Node's own errors are of another realm where code runs in a context, as in Jest.
function isObject(value: unknown): value is { message?: unknown; code?: unknown } {
  return typeof value === 'object' && value !== null;
}
