import { WebSocket } from 'ws';
import type { ClientFrame } from '../../protocol/client-frames.ts';
import { limits } from '../../protocol/limits.ts';
import { type ServerFrame, serverFrame } from '../../protocol/server-frames.ts';
import { reasonOf } from '../dev/start-failure.ts';
import type { ConnectionState } from './conversation.ts';
import { type AfterClose, afterClose, backoffMs } from './reconnect.ts';
import type { FindTarget } from './target.ts';

/** A frame that is sent until it is answered. */
export type SentFrame = Extract<ClientFrame, { type: 'message' | 'tool_approval' | 'cancel' }> & {
  id: string;
};

const handshakeTimeoutMs = 5_000;
/** What a frame from the gateway may hold: a whole message as a snapshot, and then some. */
const maxFrameBytes = 16 * 1024 * 1024;
/** Frames that wait for their answer; beyond it nothing more is taken. */
const maxUnanswered = 200;
const resendMs = 1_000;
/** A connection that held for this long is a good one: the next failure is the first again. */
const steadyMs = 5_000;

export interface SessionClientOptions {
  findTarget: FindTarget;
  sessionId: string;
  /** Everything up to here is known. */
  lastSeq: number;
  onFrame(frame: ServerFrame): void;
  onConnection(state: ConnectionState): void;
  random?: () => number;
}

/**
 * One session over the native protocol: connects and reconnects by itself, hands on each event once and in order,
 * and sends a frame again, with its id, until it is answered.
 */
export class SessionClient {
  readonly #options: SessionClientOptions;
  readonly #unanswered = new Map<string, SentFrame>();
  #lastSeq: number;
  #socket: WebSocket | null = null;
  #isWelcome = false;
  #isResuming = false;
  #token = '';
  #failures = 0;
  #fault = '';
  #retry: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #steady: NodeJS.Timeout | undefined;
  #resends = new Set<NodeJS.Timeout>();
  #isStopped = false;

  constructor(options: SessionClientOptions) {
    this.#options = options;
    this.#lastSeq = options.lastSeq;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  connect(): void {
    this.#options.onConnection({ kind: 'connecting' });
    try {
      this.#open();
    } catch (error) {
      // Nothing runs there just now; it may come back.
      this.#retryLater({ kind: 'retry', why: reasonOf(error) });
    }
  }

  /** @returns false when it cannot be taken: the client has stopped, or too much waits for an answer */
  send(frame: SentFrame): boolean {
    if (this.#isStopped || this.#unanswered.size >= maxUnanswered) return false;
    this.#unanswered.set(frame.id, frame);
    this.#transmit(frame);
    return true;
  }

  /** Asks for everything from the last known event on; where a stream is open, its snapshot comes. */
  resume(): void {
    this.#transmit({ type: 'resume', last_seq: this.#lastSeq });
  }

  close(): void {
    this.#isStopped = true;
    for (const timer of [this.#retry, this.#silence, this.#steady, ...this.#resends]) clearTimeout(timer);
    this.#socket?.close();
    this.#socket = null;
  }

  #open(): void {
    const { findTarget, sessionId } = this.#options;
    const { ws, token } = findTarget();
    this.#token = token;
    const url = new URL(`/v1/sessions/${encodeURIComponent(sessionId)}/ws`, ws);
    url.searchParams.set('last_seq', String(this.#lastSeq));
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: handshakeTimeoutMs,
      maxPayload: maxFrameBytes,
    });
    this.#socket = socket;
    this.#isWelcome = false;
    this.#isResuming = false;
    this.#fault = '';
    socket.on('open', () => this.#heard(socket));
    socket.on('message', (data) => {
      if (socket === this.#socket) this.#receive(socket, String(data));
    });
    socket.on('error', (error) => {
      this.#fault = reasonOf(error);
    });
    // An error is always followed by a close.
    socket.on('close', (code, reason) => {
      if (socket === this.#socket) this.#closed(code, reason.toString('utf8'));
    });
  }

  /** A half-open connection says nothing; it is given up after the same silence that the gateway bears. */
  #heard(socket: WebSocket): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => socket.terminate(), limits.idleMs);
  }

  #receive(socket: WebSocket, data: string): void {
    this.#heard(socket);
    const raw = parseFrame(data);
    if (raw === null) return;
    if (typeof raw.seq === 'number' && !this.#takeSeq(raw.seq)) return;
    const parsed = serverFrame.safeParse(raw);
    // A newer gateway may say what this client does not know.
    if (!parsed.success) return;
    const frame = parsed.data;
    if (frame.type === 'ping') this.#transmit({ type: 'pong' });
    if (frame.type === 'welcome') this.#welcome();
    const isAnswer = frame.type === 'ack' || frame.type === 'error';
    if (isAnswer && frame.id !== undefined && !this.#isAnswered(frame.id, frame)) return;
    this.#options.onFrame(frame);
  }

  /** Answers whether this is the next event. A gap is asked for once. */
  #takeSeq(seq: number): boolean {
    if (seq === this.#lastSeq + 1) {
      this.#lastSeq = seq;
      this.#isResuming = false;
      return true;
    }
    if (seq > this.#lastSeq && !this.#isResuming) {
      this.#isResuming = true;
      this.resume();
    }
    return false;
  }

  /** What the gateway could not take just now is sent again; anything else is an answer. */
  #isAnswered(id: string, frame: Extract<ServerFrame, { type: 'ack' | 'error' }>): boolean {
    const sent = this.#unanswered.get(id);
    const isPassing = frame.type === 'error' && (frame.code === 'unavailable' || frame.code === 'rate_limit');
    if (sent && isPassing) {
      const timer = setTimeout(() => {
        this.#resends.delete(timer);
        if (this.#unanswered.has(id)) this.#transmit(sent);
      }, resendMs);
      this.#resends.add(timer);
      return false;
    }
    this.#unanswered.delete(id);
    return true;
  }

  #welcome(): void {
    this.#isWelcome = true;
    this.#steady = setTimeout(() => {
      this.#failures = 0;
    }, steadyMs);
    this.#options.onConnection({ kind: 'open' });
    for (const frame of this.#unanswered.values()) this.#transmit(frame);
  }

  #transmit(frame: ClientFrame): void {
    if (this.#isWelcome && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(frame));
    }
  }

  #closed(code: number, reason: string): void {
    this.#socket = null;
    this.#isWelcome = false;
    clearTimeout(this.#silence);
    clearTimeout(this.#steady);
    if (this.#isStopped) return;
    const next = afterClose(code, reason || this.#fault);
    if (next.kind === 'new_token' && this.#hasNewToken()) this.#retryLater({ kind: 'retry', why: next.why });
    else if (next.kind === 'retry') this.#retryLater(next);
    else this.#stop(next.why);
  }

  #hasNewToken(): boolean {
    try {
      return this.#options.findTarget().token !== this.#token;
    } catch {
      // Nothing runs there now: no token either.
      return false;
    }
  }

  #stop(why: string): void {
    this.close();
    this.#options.onConnection({ kind: 'stopped', why });
  }

  #retryLater(next: Extract<AfterClose, { kind: 'retry' }>): void {
    const delayMs = next.delayMs ?? backoffMs(this.#failures, this.#options.random ?? Math.random);
    this.#failures += 1;
    this.#options.onConnection({ kind: 'waiting', why: next.why, until: Date.now() + delayMs });
    this.#retry = setTimeout(() => this.connect(), delayMs);
  }
}

function parseFrame(data: string): Record<string, unknown> | null {
  try {
    const raw: unknown = JSON.parse(data);
    return raw !== null && typeof raw === 'object' && !Array.isArray(raw) ? { ...raw } : null;
  } catch {
    // No frame at all; the next one may be good.
    return null;
  }
}
