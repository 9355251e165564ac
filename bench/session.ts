import { randomUUID } from 'node:crypto';
import type WebSocket from 'ws';
import type { ServerFrame } from '../src/protocol/server-frames.ts';
import { nowMs } from './clock.ts';
import { arrivalStamps, type ModelTask } from './model-task.ts';
import { openSession } from './open-session.ts';
import { StreamLog } from './stream-log.ts';

const turnBoundMs = 60_000;

export interface Turn {
  sentMs: number;
  ackedMs: number;
  firstDeltaMs: number;
  /** From the request's arrival at the model to its first token, by the model's own clock. */
  modelMs: number;
  log: StreamLog;
}

interface OpenTurn extends Omit<Turn, 'modelMs'> {
  resolve(): void;
  reject(error: Error): void;
}

/** A session with one WebSocket client in it, in this process. */
export class BenchSession {
  readonly id: string;
  readonly #socket: WebSocket;
  #turn: OpenTurn | null = null;
  /** Why the connection is of no use any more. */
  #broken: Error | null = null;

  private constructor(id: string, socket: WebSocket) {
    this.id = id;
    this.#socket = socket;
  }

  /** Makes a session and connects to it; it is ready for its first message. */
  static async open(at: { http: string; ws: string; token: string }): Promise<BenchSession> {
    const { id, socket } = await openSession(at);
    const session = new BenchSession(id, socket);
    socket.on('close', (code) => session.#break(new Error(`The gateway closed a connection: ${code}.`)));
    socket.on('error', (error) => session.#break(error));
    socket.on('message', (data) => session.#take(nowMs(), String(data)));
    return session;
  }

  /** Sends a message that tells the model what to say, and follows the turn to its end. */
  async ask(task: ModelTask): Promise<Turn> {
    if (this.#broken) throw this.#broken;
    const log = new StreamLog(arrivalStamps);
    const bound = setTimeout(
      () => this.#fail(new Error(`A turn did not end within ${turnBoundMs} ms: ${this.#lastWords()}.`)),
      turnBoundMs,
    );
    const frame = JSON.stringify({ type: 'message', id: randomUUID(), content: JSON.stringify(task) });
    try {
      const turn = await new Promise<Turn>((resolve, reject) => {
        const open: OpenTurn = {
          sentMs: nowMs(),
          ackedMs: 0,
          firstDeltaMs: 0,
          log,
          reject,
          resolve: () => resolve({ ...open, modelMs: log.stamp(1) - log.stamp(0) }),
        };
        this.#turn = open;
        this.#socket.send(frame);
      });
      if (log.tokens === task.tokens) return turn;
      throw new Error(`The model said ${task.tokens} tokens, and ${log.tokens} arrived.`);
    } finally {
      clearTimeout(bound);
      this.#turn = null;
    }
  }

  close(): void {
    this.#socket.terminate();
  }

  #take(receivedMs: number, data: string): void {
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.type === 'ping') this.#socket.send('{"type":"pong"}');
    const turn = this.#turn;
    if (!turn) return;
    try {
      this.#apply(turn, frame, receivedMs);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #apply(turn: OpenTurn, frame: ServerFrame, receivedMs: number): void {
    switch (frame.type) {
      case 'stream_delta':
        turn.firstDeltaMs ||= receivedMs;
        turn.log.add(frame.offset, frame.delta, receivedMs);
        return;
      case 'stream_snapshot':
        turn.firstDeltaMs ||= receivedMs;
        turn.log.add(0, frame.content, receivedMs);
        return;
      case 'ack':
        turn.ackedMs = receivedMs;
        return;
      case 'stream_end':
        if (!frame.content.startsWith(turn.log.text)) {
          throw new Error('The text received is not the text stored.');
        }
        // Deltas that were lost on the way arrive here at last, and count as late as that.
        turn.log.add(0, frame.content, receivedMs);
        return;
      case 'turn_end':
        if (frame.status === 'completed') turn.resolve();
        else throw new Error(`A turn ended as ${frame.status}: ${JSON.stringify(frame.error)}`);
        return;
      case 'error':
        throw new Error(`The gateway answered ${frame.code}: ${frame.error}`);
    }
  }

  #lastWords(): string {
    const acked = this.#turn?.ackedMs === 0 ? 'not acked' : 'acked';
    return `session ${this.id}, ${acked}, ${this.#turn?.log.tokens} tokens received`;
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#turn?.reject(error);
  }
}
