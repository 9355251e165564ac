import type { ErrorCode } from '../protocol/errors.ts';
import { TurngateError, wordsOf } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** Where the gateway is and who asks. Asked anew for each connection and request, so that both may change. */
export interface Access {
  /** `http://…` or `https://…`, without a path. */
  url(): string;
  /** @param refused the token that the gateway did not accept, where it was that */
  token(refused: string | null): Promise<string>;
}

const requestTimeoutMs = 15_000;

/** One request over HTTP. Rejects with a TurngateError and nothing else. */
export class Api {
  readonly #runtime: Runtime;
  readonly #access: Access;

  constructor(runtime: Runtime, access: Access) {
    this.#runtime = runtime;
    this.#access = access;
  }

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.ask<T>('GET', path, undefined, signal);
  }

  /** A token that is refused is asked for once more. */
  async ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const token = await this.#token(null);
    try {
      return await this.#send<T>(method, path, body, token, signal);
    } catch (error) {
      if (!(error instanceof TurngateError) || error.code !== 'unauthorized') throw error;
      const next = await this.#token(token);
      if (next === token) throw error;
      return this.#send<T>(method, path, body, next, signal);
    }
  }

  async #token(refused: string | null): Promise<string> {
    try {
      return await this.#access.token(refused);
    } catch (error) {
      if (error instanceof TurngateError) throw error;
      throw new TurngateError('network', wordsOf(error), { cause: error });
    }
  }

  async #send<T>(
    method: string,
    path: string,
    body: unknown,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    // By the runtime's clock; a signal of the caller's ends it too.
    const abort = new AbortController();
    const stopTimer = this.#runtime.clock.after(requestTimeoutMs, () =>
      abort.abort(new Error('no answer in time')),
    );
    const onAbort = () => abort.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const isRaw = body instanceof Blob || body instanceof Uint8Array;
    const sent = body === undefined || isRaw ? body : JSON.stringify(body);
    let response: Response;
    let text: string;
    try {
      response = await this.#runtime.fetch(new URL(path, this.#access.url()).href, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined || isRaw ? {} : { 'content-type': 'application/json' }),
        },
        signal: abort.signal,
        ...(sent === undefined ? {} : { body: sent as NonNullable<RequestInit['body']> }),
      });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw new TurngateError('closed', 'The session was closed meanwhile.');
      throw new TurngateError('network', `The gateway does not answer (${wordsOf(error)}).`, {
        cause: error,
      });
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', onAbort);
    }
    const parsed = parseJson(text);
    if (response.ok && (parsed !== undefined || text === '')) return parsed as T;
    throw refusal(response.status, parsed);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Something else than a gateway answers; the status says what.
    return undefined;
  }
}

function refusal(status: number, body: unknown): TurngateError {
  const { code, detail } = (body ?? {}) as { code?: ErrorCode; detail?: string };
  if (code !== undefined && detail !== undefined) return new TurngateError(code, detail, { status });
  const kind = status >= 500 ? 'unavailable' : status === 401 ? 'unauthorized' : 'processing_error';
  return new TurngateError(kind, `What answers there is no gateway of this version (status ${status}).`, {
    status,
  });
}
