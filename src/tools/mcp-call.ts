import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { toolHash } from '../gate/hashes.ts';
import { errorText } from '../protocol/error-text.ts';
import { CallClock } from './mcp-clock.ts';
import type { Lease } from './mcp-connection.ts';
import { createElicitor } from './mcp-elicit.ts';
import { ExchangeLost, withExchange } from './mcp-exchange.ts';
import { HttpFault, Redirected } from './mcp-http-send.ts';
import type { Link } from './mcp-link.ts';
import { failed, unknown, unsent } from './mcp-outcome.ts';
import type { McpPool } from './mcp-pool.ts';
import { createProgressValve } from './mcp-progress.ts';
import { callToolAnswer, toOutcome } from './mcp-result.ts';
import { PipeClosed } from './mcp-stdio.ts';
import { describeMs, ToolListing } from './mcp-tool-list.ts';
import type { ToolCallRequest, ToolOutcome } from './port.ts';

const maxTimerMs = 2 ** 31 - 1;
/** Where a server that cares finds what is the same over all attempts of one call. */
const idempotencyKey = 'turngate/toolCallId';
const lostSession = 404;
/** Proxies say so, too, of a request that they have sent on and that was not answered in time. */
const requestTimeout = 408;

export interface CallOptions {
  timeoutMs: number;
  maxResultChars: number;
}

/**
 * One `tools/call`, as an outcome.
 * @param pool undefined where no server of that name is configured
 * @throws the signal's reason, when `request.signal` was aborted; nothing else
 */
export async function callServer(
  pool: McpPool | undefined,
  request: ToolCallRequest,
  options: CallOptions,
): Promise<ToolOutcome> {
  request.signal.throwIfAborted();
  if (pool === undefined) return unsent(`There is no MCP server for ${request.tool}.`);
  const stop = new AbortController();
  const clock = new CallClock(options.timeoutMs, () => stop.abort('timeout'));
  const onAbort = () => stop.abort('cancelled');
  request.signal.addEventListener('abort', onAbort);
  const call = new Call(pool, request, clock, stop.signal, options);
  try {
    // A server may have forgotten the session; then it did nothing, and a new session is begun.
    return (await call.attempt()) ?? (await call.attempt()) ?? failed(`${request.tool} has no session.`);
  } finally {
    clock.end();
    request.signal.removeEventListener('abort', onAbort);
    // What is still asked of people on behalf of this call is of no more use.
    call.end();
  }
}

class Call {
  readonly #pool: McpPool;
  readonly #request: ToolCallRequest;
  readonly #clock: CallClock;
  readonly #stop: AbortSignal;
  readonly #options: CallOptions;
  readonly #over = new AbortController();

  constructor(
    pool: McpPool,
    request: ToolCallRequest,
    clock: CallClock,
    stop: AbortSignal,
    options: CallOptions,
  ) {
    this.#pool = pool;
    this.#request = request;
    this.#clock = clock;
    this.#stop = stop;
    this.#options = options;
  }

  end(): void {
    this.#over.abort();
  }

  /** @returns undefined where the server refused, unread, what belongs to a session that it does not know */
  async attempt(): Promise<ToolOutcome | undefined> {
    const lease = await this.#leaseUnlessStopped();
    if (typeof lease === 'string') {
      this.#request.signal.throwIfAborted();
      return unsent(lease);
    }
    const { link } = lease;
    let spoilt = false;
    const { elicits } = this.#pool.settings;
    if (elicits) link.elicitor = this.#elicitorOn(link);
    try {
      this.#request.signal.throwIfAborted();
      // It died between the lease and here: nothing was written.
      if (link.closed) return unsent(`The MCP server of ${this.#request.tool} stopped before the call.`);
      const other = await this.#whyOther(link);
      this.#request.signal.throwIfAborted();
      if (other !== null) return unsent(other);
      return toOutcome(this.#request.tool, await this.#ask(link), this.#options.maxResultChars);
    } catch (error) {
      const isForgotten = error instanceof StreamableHTTPError && error.code === lostSession;
      // A server that did not answer may yet ask people, in the middle of the next call.
      spoilt = isForgotten || error instanceof HttpFault || (elicits && !(error instanceof McpError));
      spoilt ||= elicits && this.#stop.aborted;
      if (isForgotten && !this.#stop.aborted) return undefined;
      return this.#outcomeOf(error, link);
    } finally {
      link.elicitor = undefined;
      // The server is told of the end before the connection ends.
      if (spoilt) await new Promise((resolve) => setImmediate(resolve));
      lease.release(spoilt);
    }
  }

  #elicitorOn(link: Link) {
    const stop = AbortSignal.any([this.#stop, this.#over.signal]);
    return createElicitor(this.#request, { clock: this.#clock, stop, isGone: () => link.closed });
  }

  async #leaseUnlessStopped(): Promise<Lease | string> {
    const stopped = Promise.withResolvers<string>();
    // After the pool, which may know better why there is no connection.
    const onStop = () => setImmediate(() => stopped.resolve('The MCP server did not start in time.'));
    if (this.#stop.aborted) onStop();
    this.#stop.addEventListener('abort', onStop);
    const leased = this.#pool.lease(this.#stop);
    try {
      const first = await Promise.race([leased, stopped.promise]);
      if (typeof first === 'string')
        leased.then(
          (late) => late.release(),
          () => undefined,
        );
      return first;
    } catch (error) {
      return errorText(error);
    } finally {
      this.#stop.removeEventListener('abort', onStop);
    }
  }

  /** What was asked what the tool is may have been an earlier start of the server, or another one that runs beside it. */
  async #whyOther(link: Link): Promise<string | null> {
    const { tool, toolHash: meant } = this.#request;
    if (meant === null || link.told.get(tool) === meant) return null;
    try {
      const listing = new ToolListing(tool.slice(0, tool.indexOf('.')), link.client, describeMs, this.#stop);
      const found = await listing.find(tool);
      if (found !== undefined && toolHash(found) === meant) return null;
      return `${tool} was not called: its server describes it differently since it was looked at.`;
    } catch (error) {
      const words = link.hide(errorText(error));
      return `${tool} was not called: its server does not say what it is now (${words}).`;
    }
  }

  async #ask(link: Link) {
    const { tool, toolCallId, arguments: args } = this.#request;
    const params = {
      name: tool.slice(tool.indexOf('.') + 1),
      arguments: args,
      _meta: { [idempotencyKey]: toolCallId },
    };
    const progress = createProgressValve(this.#request.onProgress);
    try {
      const options = {
        signal: this.#stop,
        // Ours runs out first and tells the server; the SDK's own cannot be switched off.
        timeout: maxTimerMs,
        onprogress: progress.take,
      };
      return await withExchange(() =>
        link.client.request({ method: 'tools/call', params }, callToolAnswer, options),
      );
    } finally {
      progress.end();
    }
  }

  #outcomeOf(error: unknown, link: Link): ToolOutcome {
    const { tool, signal } = this.#request;
    signal.throwIfAborted();
    const words = link.hide(errorText(error));
    if (this.#stop.aborted) return unknown(tool, `gave no answer within ${this.#options.timeoutMs} ms`);
    if (link.fault !== undefined) return unknown(tool, link.fault);
    const isNotWritten = error instanceof PipeClosed && !error.written;
    if (isNotWritten) return unsent(`${tool} could not be reached: ${words}.`);
    if (link.closed || error instanceof PipeClosed) {
      return { ...unknown(tool, 'stopped before it answered'), isServerGone: true };
    }
    if (error instanceof Redirected && !error.sent) return failed(`${tool} could not be reached: ${words}.`);
    if (error instanceof HttpFault && !error.sent) return unsent(`${tool} could not be reached: ${words}.`);
    if (error instanceof HttpFault) return unknown(tool, `did not answer (${words})`);
    if (error instanceof ExchangeLost) return unknown(tool, 'ended the connection without an answer');
    if (error instanceof StreamableHTTPError) return refusedByHttp(tool, error, words);
    if (error instanceof McpError) return failed(`${tool} refused the call: ${plainMessage(words)}`);
    return unknown(tool, 'gave an answer that cannot be read');
  }
}

/** A refusal below 500 says that the request was not carried out (429 and 425, too); of anything else nobody knows. */
function refusedByHttp(tool: string, error: StreamableHTTPError, words: string): ToolOutcome {
  const status = error.code ?? 0;
  if (status >= 400 && status < 500 && status !== requestTimeout)
    return failed(`${tool} refused the call: ${words}`);
  return unknown(tool, `answered with an error (${words})`);
}

/** The SDK puts "MCP error <code>: " before the server's words. */
function plainMessage(words: string): string {
  return words.replace(/^(MCP error -?\d+: )+/, '');
}
