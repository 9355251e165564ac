import pino, { type Logger } from 'pino';

/** JSON lines on standard output: ids only, never content or tokens. */
export function createLogger(role: string, level: string): Logger {
  return pino({ level, base: { role, pid: process.pid } }, pino.destination({ fd: 1, sync: true }));
}
