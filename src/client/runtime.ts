import { protocolRules, type Rules } from './rules.ts';

/** As much of a browser's WebSocket as is used here; that of Node 22 and of `ws` have it too. */
export interface SocketLike {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}
export type SocketConstructor = new (url: string, protocols?: string[]) => SocketLike;

/** Stops a timer. */
export type StopTimer = () => void;

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** @param keepsAlive whether a Node process stays for it */
  after(delayMs: number, work: () => void, options?: { keepsAlive: boolean }): StopTimer;
}

/** All that this client takes of the world. */
export interface Runtime {
  fetch(url: string, init: RequestInit): Promise<Response>;
  connect(url: string, protocols: string[]): SocketLike;
  clock: Clock;
  /** 0 to 1. */
  random(): number;
  /** Hears of what a listener of the application threw. */
  onListenerError(error: unknown): void;
  rules: Rules;
}

/** Longer waits overflow a timer; whoever waits longer looks again. */
export const longestTimerMs = 2_000_000_000;

const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, work, { keepsAlive } = { keepsAlive: false }) {
    const timer: unknown = setTimeout(work, Math.min(delayMs, longestTimerMs));
    // Browsers' timers are numbers and keep nothing alive.
    if (!keepsAlive && typeof timer === 'object' && timer !== null && 'unref' in timer) {
      (timer as { unref(): void }).unref();
    }
    return () => clearTimeout(timer as number);
  },
};

export function systemRuntime(options: {
  fetch?: typeof fetch | undefined;
  WebSocket?: SocketConstructor | undefined;
  onListenerError?: ((error: unknown) => void) | undefined;
}): Runtime {
  return {
    // Called as a function of the global: browsers refuse it as a method of anything else.
    fetch: (url, init) => (options.fetch ?? globalThis.fetch)(url, init),
    connect: (url, protocols) => {
      const Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
      if (!Socket) throw new Error('There is no WebSocket here. Give one: createClient({ …, WebSocket }).');
      return new Socket(url, protocols);
    },
    clock: systemClock,
    random: Math.random,
    onListenerError: options.onListenerError ?? ((error) => console.error(error)),
    rules: protocolRules,
  };
}

/** An id that nobody else makes; works on pages without a secure context too. */
export function randomId(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
