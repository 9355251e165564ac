import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type WebSocket from 'ws';
import type { ServerFrame } from '../src/protocol/server-frames.ts';
import { nowMs } from './clock.ts';
import type { ModelTask } from './model-task.ts';
import { openSession } from './open-session.ts';

const waitBoundMs = 30_000;
const startTries = 20;
const startEveryMs = 500;
const task: ModelTask = { tokens: 1, everyMs: 0, firstMs: 0, tool: true };

/** One approval, in milliseconds of the machine's clock. */
export interface Approval {
  sentMs: number;
  ackedMs: number;
  /** `tool_started` is at the client. */
  toldMs: number;
  /** The tool's server has the request, by its own words. */
  begunMs: number;
}

/** A session in which a tool is asked for again and again, and approved. */
export class GateSession {
  readonly #socket: WebSocket;
  #waiting: { fits(frame: ServerFrame): boolean; resolve(at: number, frame: ServerFrame): void }[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const atMs = nowMs();
      const frame = JSON.parse(String(data)) as ServerFrame;
      if (frame.type === 'ping') socket.send('{"type":"pong"}');
      const heard = this.#waiting.filter(({ fits }) => fits(frame));
      this.#waiting = this.#waiting.filter(({ fits }) => !fits(frame));
      for (const { resolve } of heard) resolve(atMs, frame);
    });
  }

  static async open(at: { http: string; ws: string; token: string }): Promise<GateSession> {
    return new GateSession((await openSession(at)).socket);
  }

  /** Has a tool asked for; again while its server is still starting. Answers the call that waits. */
  async request(): Promise<string> {
    for (let tries = 0; tries < startTries; tries += 1) {
      const next = this.#next('tool_approval_request', 'turn_end');
      this.#send({ type: 'message', content: JSON.stringify(task) });
      const { frame } = await next;
      if (frame.type === 'tool_approval_request') return frame.tool_call_id;
      await delay(startEveryMs);
    }
    throw new Error(`The bench's tool was not there after ${startTries} turns.`);
  }

  /** Approves it, and follows the turn to its end. */
  async approve(toolCallId: string): Promise<Approval> {
    const heard = Promise.all([
      this.#next('ack'),
      this.#next('tool_started'),
      this.#next('tool_result'),
      this.#next('turn_end'),
    ]);
    const sentMs = nowMs();
    this.#send({ type: 'tool_approval', tool_call_id: toolCallId, approved: true });
    const [ack, started, { frame: result }, end] = await heard;
    if (end.frame.status !== 'completed' || result.status !== 'completed') {
      throw new Error(`A call ended as ${result.status}: ${JSON.stringify(result.error)}`);
    }
    const begunMs = Number(/\d+\.\d+/.exec(JSON.stringify(result.result))?.[0]);
    return { sentMs, ackedMs: ack.atMs, toldMs: started.atMs, begunMs };
  }

  close(): void {
    this.#socket.terminate();
  }

  #send(frame: Record<string, unknown>): void {
    this.#socket.send(JSON.stringify({ id: randomUUID(), ...frame }));
  }

  /** The next frame of one of these types. */
  #next<T extends ServerFrame['type']>(
    ...types: T[]
  ): Promise<{ atMs: number; frame: Extract<ServerFrame, { type: T }> }> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`No ${types.join(' or ')} came within ${waitBoundMs} ms.`));
      const bound = setTimeout(late, waitBoundMs);
      this.#waiting.push({
        fits: (frame) => types.some((type) => type === frame.type),
        resolve: (atMs, frame) => {
          clearTimeout(bound);
          resolve({ atMs, frame: frame as Extract<ServerFrame, { type: T }> });
        },
      });
    });
  }
}
