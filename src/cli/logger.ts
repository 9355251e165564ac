import pino, { type DestinationStream, type Logger } from 'pino';

/** JSON lines, on standard output unless said otherwise: ids only, never content or tokens. */
export function createLogger(
  role: string,
  level: string,
  destination: DestinationStream = pino.destination({ fd: 1, sync: true }),
): Logger {
  return pino({ level, base: { role, pid: process.pid }, serializers: { err: plainError } }, destination);
}

/** Only what tells the failure: drivers hang rows, requests and answers on their errors, which hold content. */
function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? { code: error.code } : {};
  return {
    type: name,
    message,
    ...code,
    stack,
    ...(cause === undefined ? {} : { cause: plainError(cause) }),
  };
}
