/** What a person reads when a command cannot start: what happened, why, what to do. Printed without a stack. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/** The words of any thrown value, for a sentence on the console. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
