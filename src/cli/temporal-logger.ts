import { DefaultLogger, type LogEntry, type Logger } from '@temporalio/worker';
import type pino from 'pino';

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** Temporal's own log lines, among ours. */
export function temporalLogger(logger: pino.Logger): Logger {
  return new DefaultLogger('WARN', ({ level, message, meta }: LogEntry) => {
    logger[levels[level]]({ source: 'temporal', meta }, message);
  });
}
