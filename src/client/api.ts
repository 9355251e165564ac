import type { ErrorCode } from '../protocol/errors.ts';
import { TurngateError, unwatched, wordsOf } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** Where the gateway is and who asks. Asked anew for each connection and request, so that both may change. */
export interface Access {
  /** `http://…` or `https://…`, without a path. */
  url(): string;
  /** @param refused the token that the gateway did not accept, where it was that */
  token(refused: string | null): Promise<string>;
}

interface ApiRequest {
  method: string;
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

const requestTimeoutMs = 15_000;
/** For a file. */
const uploadTimeoutMs = 300_000;

/** Requests over HTTP. Rejects with a TurngateError and nothing else. */
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

  ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const read = async (response: Response) => parseAnswer<T>(await response.text());
    return unwatched(this.#ask({ method, path, body, signal }, read));
  }

  /** @param path of something that is not JSON */
  bytes(path: string): Promise<Blob> {
    return unwatched(this.#ask({ method: 'GET', path }, (response) => response.blob()));
  }

  /** A token that is refused is asked for once more. */
  async #ask<T>(request: ApiRequest, read: (response: Response) => Promise<T>): Promise<T> {
    const token = await this.#token(null);
    try {
      return await this.#send(request, token, read);
    } catch (error) {
      if (!(error instanceof TurngateError) || error.code !== 'unauthorized') throw error;
      const next = await this.#token(token);
      if (next === token) throw error;
      return this.#send(request, next, read);
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

  async #send<T>(request: ApiRequest, token: string, read: (response: Response) => Promise<T>): Promise<T> {
    const { method, path, body, signal } = request;
    const isFile = body instanceof Blob;
    const sent = body === undefined || isFile ? body : JSON.stringify(body);
    const abort = new AbortController();
    const timeoutMs = isFile ? uploadTimeoutMs : requestTimeoutMs;
    // By the runtime's clock; a signal of the caller's ends it too.
    const stopTimer = this.#runtime.clock.after(timeoutMs, () => abort.abort(new Error('no answer in time')));
    const onAbort = () => abort.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const response = await this.#runtime.fetch(new URL(path, this.#access.url()).href, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined || isFile ? {} : { 'content-type': 'application/json' }),
        },
        signal: abort.signal,
        ...(sent === undefined ? {} : { body: sent }),
      });
      if (!response.ok) throw refusal(response.status, parseJson(await response.text()));
      return await read(response);
    } catch (error) {
      if (error instanceof TurngateError) throw error;
      if (signal?.aborted) throw new TurngateError('closed', 'It was closed meanwhile.');
      const words = `The gateway does not answer (${wordsOf(error)}).`;
      throw new TurngateError('network', words, { cause: error });
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function parseAnswer<T>(text: string): T {
  const parsed = text === '' ? undefined : parseJson(text);
  if (parsed === undefined && text !== '') throw refusal(200, undefined);
  return parsed as T;
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
