import { AsyncLocalStorage } from 'node:async_hooks';

const graceMs = 1_000;

/** What one of our requests to a server needs of the HTTP exchange that carries it. */
export interface Exchange {
  /** Aborted when the request is over: so is the exchange, however long the server would keep it open. */
  signal: AbortSignal;
  /** The exchange is over and cannot be taken up again. Without an answer by then, none will come. */
  lost(): void;
}

/** The SDK says nothing to `fetch` of the request that a body belongs to; the asynchronous context does. */
export const exchanges = new AsyncLocalStorage<Exchange>();

/**
 * Runs one request of the SDK's client, and ends its exchange with it.
 * @throws ExchangeLost when the exchange ended without an answer; else what `request` throws
 */
export async function withExchange<T>(request: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const lost = Promise.withResolvers<never>();
  const exchange = { signal: over.signal, lost: () => lost.reject(new ExchangeLost()) };
  try {
    const answer = await Promise.race([exchanges.run(exchange, request), lost.promise]);
    // Most servers end it by themselves; then the connection can be used again.
    setTimeout(() => over.abort(), graceMs).unref();
    return answer;
  } catch (error) {
    over.abort();
    throw error;
  }
}

export class ExchangeLost extends Error {
  override readonly name = 'ExchangeLost';
  constructor() {
    super('the connection ended without an answer');
  }
}
