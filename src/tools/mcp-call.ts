import { McpError } from '@modelcontextprotocol/sdk/types.js';
import type { ErrorCode } from '../protocol/errors.ts';
import { cleanText, cutAt } from '../protocol/text.ts';
import { errorText } from './error-text.ts';
import type { LiveConnection, McpConnection } from './mcp-connection.ts';
import { callToolAnswer, toOutcome } from './mcp-result.ts';
import type { ToolCallRequest, ToolOutcome } from './port.ts';

const maxTimerMs = 2 ** 31 - 1;
const messageChars = 2_000;
/** Where a server that cares finds what is the same over all attempts of one call. */
const idempotencyKey = 'turngate/toolCallId';

/**
 * One `tools/call`, as an outcome.
 * @param connection undefined where no server of that name is configured
 * @throws the signal's reason, when `request.signal` was aborted; nothing else
 */
export async function callServer(
  connection: McpConnection | undefined,
  request: ToolCallRequest,
  options: { timeoutMs: number; maxResultChars: number },
): Promise<ToolOutcome> {
  request.signal.throwIfAborted();
  if (connection === undefined) return failed('not_found', `There is no MCP server for ${request.tool}.`);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort('timeout'), Math.min(options.timeoutMs, maxTimerMs));
  const onAbort = () => stop.abort('cancelled');
  request.signal.addEventListener('abort', onAbort);
  try {
    const live = await connectUnlessStopped(connection, stop.signal);
    request.signal.throwIfAborted();
    if (live instanceof NotConnected) return failed('unavailable', live.why);
    return await callLive(live, request, stop.signal, options);
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener('abort', onAbort);
  }
}

/** The request was never written, for this reason. */
class NotConnected {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

async function connectUnlessStopped(
  connection: McpConnection,
  signal: AbortSignal,
): Promise<LiveConnection | NotConnected> {
  const stopped = Promise.withResolvers<NotConnected>();
  const onStop = () => stopped.resolve(new NotConnected('The MCP server did not start in time.'));
  signal.addEventListener('abort', onStop);
  try {
    return await Promise.race([connection.connect(), stopped.promise]);
  } catch (error) {
    return new NotConnected(errorText(error));
  } finally {
    signal.removeEventListener('abort', onStop);
  }
}

async function callLive(
  live: LiveConnection,
  request: ToolCallRequest,
  stop: AbortSignal,
  options: { timeoutMs: number; maxResultChars: number },
): Promise<ToolOutcome> {
  const { tool } = request;
  const params = {
    name: tool.slice(tool.indexOf('.') + 1),
    arguments: request.arguments,
    _meta: { [idempotencyKey]: request.toolCallId },
  };
  // It died between connect and here: nothing was written.
  if (live.closed) return failed('unavailable', `The MCP server of ${tool} stopped before the call.`);
  try {
    const answer = await live.client.request({ method: 'tools/call', params }, callToolAnswer, {
      signal: stop,
      // Ours runs out first and tells the server; the SDK's own cannot be switched off.
      timeout: maxTimerMs,
      onprogress: (progress) => {
        if (!stop.aborted) request.onProgress(boundedProgress(progress));
      },
    });
    return toOutcome(tool, answer, options.maxResultChars);
  } catch (error) {
    request.signal.throwIfAborted();
    if (stop.aborted) return unknown(tool, `gave no answer within ${options.timeoutMs} ms`);
    if (live.closed) return unknown(tool, 'stopped before it answered');
    if (error instanceof McpError)
      return failed('tool_error', `${tool} refused the call: ${plainMessage(error)}`);
    return unknown(tool, 'gave an answer that cannot be read');
  }
}

function boundedProgress(raw: {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}) {
  return {
    progress: raw.progress,
    ...(raw.total === undefined ? {} : { total: raw.total }),
    ...(raw.message === undefined ? {} : { message: cut(cleanText(raw.message)) }),
  };
}

/** The SDK puts "MCP error <code>: " before the server's words. */
function plainMessage(error: McpError): string {
  return error.message.replace(/^(MCP error -?\d+: )+/, '');
}

function failed(code: ErrorCode, why: string): ToolOutcome {
  const message = cut(cleanText(why));
  return { status: 'failed', result: null, text: message, error: { code, message } };
}

function unknown(tool: string, what: string): ToolOutcome {
  const message = `The server of ${tool} ${what}, so it is not known whether the call took effect. Look before calling it again.`;
  return { status: 'unknown', text: message, error: { code: 'tool_error', message } };
}

function cut(text: string): string {
  return text.slice(0, cutAt(text, messageChars));
}
