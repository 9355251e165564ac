import type { ElicitRequest, ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { schemaFault } from '../gate/schema-fault.ts';
import { cleanJson, cleanText, cutAt } from '../protocol/text.ts';
import type { CallClock } from './mcp-clock.ts';
import type { ToolCallRequest } from './port.ts';
import { ServerGone } from './server-gone.ts';
import { visible, visibleSchema } from './visible-words.ts';

const messageChars = 4_000;
const questionsPerCall = 20;

/** What a server asks in the middle of one call. */
export type Elicitor = (params: ElicitRequest['params'], signal: AbortSignal) => Promise<ElicitResult>;

interface ElicitorOptions {
  clock: CallClock;
  /** Aborted when the call is over; a question that is open then is answered by an error, never by a choice that nobody made. */
  stop: AbortSignal;
  /** Whether the server has ended. */
  isGone(): boolean;
}

/** Brings the questions of a server to people, for one call. */
export function createElicitor(request: ToolCallRequest, { clock, stop, isGone }: ElicitorOptions): Elicitor {
  let asked = 0;
  return async (params, signal) => {
    asked += 1;
    if (request.onElicit === undefined || asked > questionsPerCall || params.mode === 'url') {
      return { action: 'decline' };
    }
    const schema = visibleSchema(cleanJson(params.requestedSchema)) as Record<string, unknown>;
    if (schemaFault(schema) !== null) return { action: 'decline' };
    const message = visible(cleanText(params.message));
    const ended = endOf(AbortSignal.any([signal, stop]), isGone);
    clock.pause();
    try {
      const answer = await orAborted(
        request.onElicit({ message: message.slice(0, cutAt(message, messageChars)), schema, signal: ended }),
        ended,
      );
      if (answer.action !== 'accept') return { action: answer.action };
      return { action: 'accept', content: answer.content as NonNullable<ElicitResult['content']> };
    } finally {
      clock.resume();
    }
  };
}

/** Aborted a moment after `signal`, when it is known whether the server has ended. */
function endOf(signal: AbortSignal, isGone: () => boolean): AbortSignal {
  const end = new AbortController();
  const onAbort = () =>
    queueMicrotask(() => end.abort(isGone() ? new ServerGone() : new Error('The call is given up.')));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return end.signal;
}

async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([answer, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
