/** What a thrown value says. Not by `instanceof`, which is false for errors of another realm (a vm context, a test). */
export function errorText(error: unknown): string {
  const message = partOf(error, 'message');
  return typeof message === 'string' ? message : String(error);
}

/** The `code` of a system error such as `ENOENT`, where there is one. */
export function errorCode(error: unknown): string | undefined {
  const code = partOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

function partOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}
