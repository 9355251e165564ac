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
    const traffic = this.of[transport];
    // A WebSocket's code is counted when it is closed, by whichever side.
    const countsEnd = transport !== 'websocket';
    return {
      get isOpen() {
        return outlet.isOpen;
      },
      get isFull() {
        return outlet.isFull;
      },
      get isOverrun() {
        return outlet.isOverrun;
      },
      send(outgoing) {
        add(traffic.sent, outgoing.frame.type);
        outlet.send(outgoing);
      },
      cork: (write) => outlet.cork(write),
      drained() {
        traffic.pauses += 1;
        return outlet.drained();
      },
      end(code, reason) {
        if (countsEnd && outlet.isOpen) add(traffic.closed, code);
        outlet.end(code, reason);
      },
    };
  }
}

function empty(): TransportTraffic {
  return { received: 0, sent: new Map(), closed: new Map(), pauses: 0 };
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
