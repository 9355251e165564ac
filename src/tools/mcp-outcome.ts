import { cleanText, cutAt } from '../protocol/text.ts';
import type { ToolOutcome } from './port.ts';

const messageChars = 2_000;

/** Nothing more will come of the call. */
export function failed(why: string): Extract<ToolOutcome, { status: 'failed' }> {
  const message = cut(why);
  return { status: 'failed', result: null, text: message, error: { code: 'tool_error', message } };
}

/** The request has not reached the tool. */
export function unsent(why: string): ToolOutcome {
  return { ...failed(why), isUnsent: true };
}

/** @param what its server did instead of answering */
export function unknown(tool: string, what: string): Extract<ToolOutcome, { status: 'unknown' }> {
  const message = `The server of ${tool} ${cut(what)}, so it is not known whether the call took effect. Look before calling it again.`;
  return { status: 'unknown', text: message, error: { code: 'tool_error', message } };
}

function cut(text: string): string {
  const clean = cleanText(text);
  return clean.slice(0, cutAt(clean, messageChars));
}
