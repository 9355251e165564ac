import type { SocketLike } from '../../src/client/runtime.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import type { ReferenceSession, StoredEvent } from './reference-session.ts';

type Handler = ((event: never) => unknown) | null;
type Snapshot = Extract<ServerFrame, { type: 'stream_snapshot' }>;
type Delta = Extract<ServerFrame, { type: 'stream_delta' | 'thought_delta' }>;

/** One end of a connection in memory: what is under way arrives when it is told to, and is lost when it is cut. */
class Socket implements SocketLike {
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;
  readyState = 1;
  readonly toClient: ServerFrame[] = [];
  readonly toGateway: Record<string, unknown>[] = [];
  lastSeq: number;
  /** Something that it should have got was lost: until it asks again, no cursor may say that all is well. */
  hasLost = false;
  /** What a snapshot said since the client last read the history. */
  snapshots: Snapshot[] = [];

  constructor(lastSeq: number) {
    this.lastSeq = lastSeq;
  }

  send(data: string): void {
    if (this.readyState === 1) this.toGateway.push(JSON.parse(data));
  }

  /** The client lets go of it; what is under way to it may still come. */
  close(): void {
    this.readyState = 3;
  }

  snapshot(frame: Snapshot): void {
    this.toClient.push(frame);
    this.snapshots.push(frame);
  }

  arrive(frame: ServerFrame): void {
    const handler = this.onmessage as ((event: { data: string }) => void) | null;
    handler?.({ data: JSON.stringify(frame) });
  }

  cut(code: number): void {
    this.readyState = 3;
    const handler = this.onclose as ((event: { code: number; reason: string }) => void) | null;
    handler?.({ code, reason: '' });
  }
}

/**
 * The protocol's other side, as simply as possible: after a resume it sends every event from there and a snapshot;
 * live it may lose and repeat what the protocol lets it.
 */
export class ReferenceGateway {
  readonly #session: ReferenceSession;
  readonly #requests: { answer: () => Response; resolve: (response: Response) => void }[] = [];
  /** The newest last; older ones may still bring something. */
  readonly #sockets: Socket[] = [];
  readonly #deltas: Delta[] = [];
  #refusals = 0;

  constructor(session: ReferenceSession) {
    this.#session = session;
  }

  connect(url: string): SocketLike {
    const socket = new Socket(Number(new URL(url).searchParams.get('last_seq')));
    this.#sockets.push(socket);
    socket.toClient.push({
      type: 'welcome',
      session_id: this.#session.id,
      connection_id: 'c',
      user: { id: 'u', email: null, name: null },
      last_seq: this.#session.lastSeq,
      heartbeat_ms: 30_000,
      protocol: 'turngate.v1',
    });
    this.#catchUp(socket, socket.lastSeq);
    return socket;
  }

  fetch(url: string): Promise<Response> {
    return new Promise((resolve) =>
      this.#requests.push({ resolve, answer: () => this.#answer(new URL(url)) }),
    );
  }

  /** Answers requests over HTTP, each from one moment; or says that it cannot just now. */
  answer(isAble: boolean): void {
    for (const { answer, resolve } of this.#requests.splice(0)) {
      const away = { code: 'unavailable', detail: 'The store is away.' };
      resolve(isAble ? answer() : Response.json(away, { status: 503 }));
    }
  }

  /** Sends what happened after `seq` to who is connected; `isLost` sends nothing, as if the publication were lost. */
  spread(isLost: boolean): void {
    for (const socket of this.#open) {
      if (isLost) {
        socket.hasLost ||= socket.lastSeq < this.#session.lastSeq;
        socket.lastSeq = this.#session.lastSeq;
      } else this.#sendAfter(socket, socket.lastSeq);
    }
  }

  delta(delta: Delta | null, isLost: boolean): void {
    if (!delta) return;
    this.#deltas.push(delta);
    if (!isLost) this.#live(delta);
  }

  /** An earlier delta or snapshot again, of whatever message and attempt. */
  repeatText(which: number, isDelta: boolean): void {
    const delta = recent(this.#deltas, which);
    if (delta && isDelta) this.#live(delta);
    for (const socket of isDelta ? [] : this.#open) {
      const snapshot = recent(socket.snapshots, which);
      if (snapshot) socket.toClient.push(snapshot);
    }
  }

  /** An earlier event or cursor again. */
  repeatEvent(which: number): void {
    for (const socket of this.#open) {
      const event = this.#session.events[which % Math.max(1, socket.lastSeq)];
      if (!event || event.frame.seq > socket.lastSeq) continue;
      if (!event.isHidden) socket.toClient.push(event.frame);
      else if (!socket.hasLost) socket.toClient.push({ type: 'cursor', seq: event.frame.seq });
    }
  }

  /** What is being said, as the draft has it: all of it, or as it was a moment ago. */
  snapshot(behind: number): void {
    const { stream } = this.#session;
    if (!stream) return;
    const { id, attempt, content, thought } = stream;
    const upTo = Math.max(0, content.length - behind);
    this.#live({
      type: 'stream_snapshot',
      message_id: id,
      attempt,
      content: content.slice(0, upTo),
      thought,
    });
  }

  /** The next messages of clients are refused: the store is away. */
  refuse(count: number): void {
    this.#refusals += count;
  }

  /** Lets up to `most` frames arrive, each way. */
  move(most: number): void {
    for (const socket of [...this.#sockets]) {
      for (const frame of socket.toGateway.splice(0, most)) this.#receive(socket, frame);
      for (const frame of socket.toClient.splice(0, most)) socket.arrive(frame);
    }
  }

  /** The connection is lost: of what is under way, `arriving` frames come before anybody notices. */
  cut(arriving: number, code = 1006): void {
    const socket = this.#open.at(-1);
    if (!socket) return;
    for (const frame of socket.toClient.splice(0, arriving)) socket.arrive(frame);
    socket.toClient.length = 0;
    socket.cut(code);
    this.#sockets.length = 0;
  }

  get isIdle(): boolean {
    const isQuiet = this.#sockets.every(
      ({ toClient, toGateway }) => toClient.length + toGateway.length === 0,
    );
    return this.#requests.length === 0 && isQuiet;
  }

  get #open(): Socket[] {
    return this.#sockets.filter((socket) => socket.readyState === 1);
  }

  #live(frame: ServerFrame): void {
    for (const socket of this.#open) socket.toClient.push(frame);
  }

  #receive(socket: Socket, frame: Record<string, unknown>): void {
    if (frame.type === 'resume') this.#catchUp(socket, Number(frame.last_seq));
    if (!['message', 'tool_approval', 'input_response'].includes(String(frame.type))) return;
    const id = String(frame.id);
    if (this.#refusals > 0) {
      this.#refusals -= 1;
      socket.toClient.push({ type: 'error', id, code: 'unavailable', error: 'The store is away.' });
      return;
    }
    socket.toClient.push({ id, ...this.#take(id, frame) } as unknown as ServerFrame);
    this.spread(false);
  }

  #take(id: string, frame: Record<string, unknown>): object {
    if (frame.type === 'tool_approval') return this.#session.gate.decide(frame);
    if (frame.type === 'input_response') return this.#session.gate.reply(frame);
    if (!this.#session.accepted.includes(id)) this.#session.ask(String(frame.content), id);
    return { type: 'ack', disposition: 'queued' };
  }

  #catchUp(socket: Socket, lastSeq: number): void {
    const { firstKept, stream } = this.#session;
    socket.hasLost = false;
    const isGone = lastSeq + 1 < firstKept;
    if (isGone) {
      socket.snapshots = [];
      socket.toClient.push({ type: 'resync', reason: 'retention', last_seq: firstKept - 1 });
    }
    this.#sendAfter(socket, isGone ? firstKept - 1 : lastSeq);
    if (stream) {
      const { id, attempt, content, thought } = stream;
      socket.snapshot({ type: 'stream_snapshot', message_id: id, attempt, content, thought });
    }
  }

  /** Runs of what is not for this client are told by one cursor. */
  #sendAfter(socket: Socket, lastSeq: number): void {
    let skipped = 0;
    for (const { frame, isHidden } of this.#session.after(lastSeq)) {
      if (isHidden) skipped = frame.seq;
      else {
        if (skipped > 0 && !socket.hasLost) socket.toClient.push({ type: 'cursor', seq: skipped });
        skipped = 0;
        socket.toClient.push(frame);
      }
    }
    if (skipped > 0 && !socket.hasLost) socket.toClient.push({ type: 'cursor', seq: skipped });
    socket.lastSeq = this.#session.lastSeq;
  }

  #answer({ pathname, searchParams: query }: URL): Response {
    const limit = Number(query.get('limit') ?? 50);
    if (pathname.endsWith('/messages')) {
      const before = query.get('before');
      return Response.json(this.#session.page(limit, before === null ? null : Number(before)));
    }
    if (pathname.endsWith('/events')) {
      const visible = (event: StoredEvent) => !event.isHidden;
      const events = this.#session
        .after(Number(query.get('after')))
        .filter(visible)
        .slice(0, limit);
      return Response.json({ events: events.map(({ frame }) => frame), last_seq: this.#session.lastSeq });
    }
    return Response.json(this.#session.sessionView());
  }
}

/** One of the last few. */
function recent<T>(all: readonly T[], which: number): T | undefined {
  return all.at(-1 - (which % Math.max(1, Math.min(12, all.length))));
}
