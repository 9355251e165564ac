/** What a person reads when a command cannot start: what happened, why, what to do. Printed without a stack. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
