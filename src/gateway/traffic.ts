import type { Outgoing } from './outgoing.ts';
import type { Outlet } from './outlet.ts';

export type Transport = 'websocket' | 'sse' | 'socket_io';

/** What went over one transport, since the start. Plain numbers: they are counted for every delta. */
export interface TransportTraffic {
  received: number;
  /** By type of frame. */
  sent: Map<string, number>;
  /** By close code; SSE and Socket.IO: the code that we said. */
  closed: Map<number, number>;
  /** How often a reader was too slow for what was said, and got a snapshot later. */
  pauses: number;
}

/** Counts what comes and goes. */
export class Traffic {
  readonly of: Record<Transport, TransportTraffic> = {
    websocket: empty(),
    sse: empty(),
    socket_io: empty(),
  };
  /** HTTP answers by method, route and status. */
  readonly answers = new Map<string, number>();

  answered(method: string, route: string, status: number): void {
    add(this.answers, `${method} ${route} ${status}`);
  }

  received(transport: Transport): void {
    this.of[transport].received += 1;
  }

  closed(transport: Transport, code: number): void {
    add(this.of[transport].closed, code);
  }

  /** The same outlet, with what goes through it counted. */
  measure(transport: Transport, outlet: Outlet): Outlet {
    return new MeasuredOutlet(transport, this.of[transport], outlet);
  }
}

class MeasuredOutlet implements Outlet {
  readonly #transport: Transport;
  readonly #traffic: TransportTraffic;
  readonly #outlet: Outlet;

  constructor(transport: Transport, traffic: TransportTraffic, outlet: Outlet) {
    this.#transport = transport;
    this.#traffic = traffic;
    this.#outlet = outlet;
  }

  get isOpen(): boolean {
    return this.#outlet.isOpen;
  }

  get isFull(): boolean {
    return this.#outlet.isFull;
  }

  get isOverrun(): boolean {
    return this.#outlet.isOverrun;
  }

  send(outgoing: Outgoing): void {
    add(this.#traffic.sent, outgoing.frame.type);
    this.#outlet.send(outgoing);
  }

  cork(write: () => void): void {
    this.#outlet.cork(write);
  }

  drained(): Promise<void> {
    this.#traffic.pauses += 1;
    return this.#outlet.drained();
  }

  end(code: number, reason: string): void {
    // A WebSocket's code is counted when it is closed, by whichever side.
    if (this.#transport !== 'websocket' && this.isOpen) add(this.#traffic.closed, code);
    this.#outlet.end(code, reason);
  }
}

function empty(): TransportTraffic {
  return { received: 0, sent: new Map(), closed: new Map(), pauses: 0 };
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
