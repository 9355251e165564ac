import { createServer, type Server, Socket } from 'node:net';
import { type LinkFault, type LinkPlan, planLink } from './link-plan.ts';
import { Pipe } from './pipe.ts';

export interface LinkCounts {
  connections: number;
  cut: number;
  half_open: number;
  stall: number;
  slice: number;
}

/** What nobody speaks on any more is ended after this, as a middlebox would; it is longer than a client waits. */
const halfOpenMs = 20_000;

/**
 * A TCP proxy on loopback whose connections go bad. Every connection gets a plan, made of the seed and the
 * connection's number: a while of good service, a fault, and so on until a fault ends it.
 */
export class LinkProxy {
  readonly counts: LinkCounts = { connections: 0, cut: 0, half_open: 0, stall: 0, slice: 0 };
  readonly #server: Server;
  readonly #targets: { host: string; port: number }[];
  readonly #seed: number;
  readonly #meanGoodMs: number;
  readonly #links = new Set<Link>();
  /** No fault begins any more, and what hangs is ended. */
  #isHealed = false;

  private constructor(options: LinkProxyOptions) {
    this.#targets = options.targets;
    this.#seed = options.seed;
    this.#meanGoodMs = options.meanGoodMs;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async open(options: LinkProxyOptions): Promise<LinkProxy> {
    const proxy = new LinkProxy(options);
    await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
    return proxy;
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen.');
    return `127.0.0.1:${address.port}`;
  }

  /** Connections that were ended by a fault, told or not. */
  get cuts(): number {
    return this.counts.cut + this.counts.half_open;
  }

  /** From now on all is well: new connections have no faults, and broken ones end so that clients come back. */
  heal(): void {
    this.#isHealed = true;
    for (const link of this.#links) link.end();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const link of this.#links) link.end();
    await closed;
  }

  #accept(client: Socket): void {
    this.counts.connections += 1;
    const plan = this.#isHealed ? [] : planLink(this.#seed, this.counts.connections, this.#meanGoodMs);
    const target = this.#targets[this.counts.connections % this.#targets.length];
    if (!target) throw new Error('The proxy has no gateway to lead to.');
    const link = new Link(client, target, plan, {
      began: (fault) => {
        this.counts[fault] += 1;
      },
      ended: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

export interface LinkProxyOptions {
  /** Taken in turn: a client that comes back lands on another gateway. */
  targets: { host: string; port: number }[];
  seed: number;
  /** How long a connection is well between two faults, on average. */
  meanGoodMs: number;
}

/** One proxied connection and its faults. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #pipes: Pipe[];
  readonly #told: { began(fault: LinkFault['kind']): void; ended(): void };
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(
    client: Socket,
    target: { host: string; port: number },
    plan: LinkPlan,
    told: { began(fault: LinkFault['kind']): void; ended(): void },
  ) {
    this.#told = told;
    this.#client = client;
    this.#server = new Socket();
    this.#server.connect(target.port, target.host);
    this.#pipes = [new Pipe(client, this.#server), new Pipe(this.#server, client)];
    for (const socket of [client, this.#server]) {
      socket.setNoDelay(true);
      // Whatever breaks one side ends both, which is what a proxy can do.
      socket.on('error', () => this.end());
      socket.on('close', () => this.end());
    }
    this.#follow(plan);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#timer) clearTimeout(this.#timer);
    for (const pipe of this.#pipes) pipe.stop();
    // A reset and not an orderly end: what was under way is lost.
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#told.ended();
  }

  #follow(plan: LinkPlan): void {
    const [fault, ...rest] = plan;
    if (!fault || this.#isOver) return;
    this.#after(fault.afterMs, () => {
      this.#told.began(fault.kind);
      switch (fault.kind) {
        case 'cut':
          return this.end();
        case 'half_open':
          for (const pipe of this.#pipes) pipe.stop();
          return this.#after(halfOpenMs, () => this.end());
        case 'stall':
          for (const pipe of this.#pipes) pipe.pause();
          return this.#after(fault.forMs, () => {
            for (const pipe of this.#pipes) pipe.resume();
            this.#follow(rest);
          });
        case 'slice':
          for (const pipe of this.#pipes) pipe.slice(fault.bytes);
          return this.#after(fault.forMs, () => {
            for (const pipe of this.#pipes) pipe.slice(null);
            this.#follow(rest);
          });
      }
    });
  }

  #after(ms: number, then: () => void): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(then, ms);
  }
}
