import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import {
  type SocketIoPayload,
  type SocketIoServerEventName,
  socketIoServerEvents,
} from '../../src/protocol/socket-io-events.ts';
import { until } from './until.ts';

type Got = {
  [Name in SocketIoServerEventName]: { event: Name; payload: SocketIoPayload<Name> };
}[SocketIoServerEventName];

export type Way = 'websocket' | 'polling' | 'upgraded';

const transports: Record<Way, ('websocket' | 'polling')[]> = {
  websocket: ['websocket'],
  polling: ['polling'],
  upgraded: ['polling', 'websocket'],
};

/** The real client of socket.io, which keeps every event and checks each against its schema. */
export class SocketIoTestClient {
  readonly socket: Socket;
  readonly got: Got[] = [];
  readonly breaches: string[] = [];
  readonly connectErrors: Error[] = [];
  readonly disconnects: string[] = [];
  /** When each chunk of a message came, by its id. */
  readonly chunkTimes = new Map<string, number[]>();

  constructor(url: string, options: { way?: Way } & Partial<ManagerOptions & SocketOptions> = {}) {
    const { way = 'websocket', ...others } = options;
    this.socket = io(url, {
      transports: transports[way],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      ...others,
    });
    this.socket.onAny((event: SocketIoServerEventName, payload: unknown, offset?: unknown) =>
      this.#take(event, payload, offset),
    );
    this.socket.on('connect_error', (error) => this.connectErrors.push(error));
    this.socket.on('disconnect', (reason) => this.disconnects.push(reason));
  }

  of<Name extends SocketIoServerEventName>(event: Name): SocketIoPayload<Name>[] {
    return this.got.flatMap((one) => (one.event === event ? [one.payload as SocketIoPayload<Name>] : []));
  }

  /** The first event of a name that fits. */
  async event<Name extends SocketIoServerEventName>(
    event: Name,
    fits: (payload: SocketIoPayload<Name>) => boolean = () => true,
    boundMs = 10_000,
  ): Promise<SocketIoPayload<Name>> {
    let found: SocketIoPayload<Name> | undefined;
    await until(() => {
      found = this.of(event).find(fits);
      return found !== undefined;
    }, boundMs).catch(() => undefined);
    if (found) return found;
    throw new Error(`No ${event} came that fits; there were ${JSON.stringify(this.got).slice(0, 4_000)}`);
  }

  /** The text of a message as a client that does what it is told shows it. */
  textOf(messageId: string): string | undefined {
    return this.of('agent_response_chunk').findLast(({ id }) => id === messageId)?.content;
  }

  /** Sends an event; answers what the acknowledgement callback is given. */
  ask(event: string, payload: object, boundMs = 10_000): Promise<Record<string, unknown>> {
    return this.socket.timeout(boundMs).emitWithAck(event, payload);
  }

  close(): void {
    this.socket.disconnect();
  }

  #take(event: SocketIoServerEventName, payload: unknown, offset: unknown): void {
    const schema = socketIoServerEvents[event];
    const parsed = schema?.strict().safeParse(payload);
    if (!parsed?.success) {
      this.breaches.push(
        `${event}: ${JSON.stringify(parsed?.error.issues ?? 'unknown')} ${JSON.stringify(payload)}`,
      );
    }
    if (offset !== undefined && typeof offset !== 'string')
      this.breaches.push(`${event}: an offset that is no text`);
    const one = { event, payload } as Got;
    this.got.push(one);
    if (one.event === 'agent_response_chunk') this.#chunk(one.payload);
  }

  #chunk(chunk: SocketIoPayload<'agent_response_chunk'>): void {
    const before = this.of('agent_response_chunk').filter(({ id }) => id === chunk.id);
    const shown = before.at(-2)?.content;
    if (chunk.delta !== '' && shown !== undefined && shown + chunk.delta !== chunk.content) {
      this.breaches.push(`delta "${chunk.delta}" does not lead from "${shown}" to "${chunk.content}"`);
    }
    this.chunkTimes.set(chunk.id, [...(this.chunkTimes.get(chunk.id) ?? []), performance.now()]);
  }
}
