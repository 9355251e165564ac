import {
  encodeAnnouncement,
  encodeDelta,
  encodeEvent,
  encodeGatewayNudge,
  encodeNotice,
  encodeNudge,
  payloadMaxBytes,
} from './codec.ts';
import type { GatewayNudge, LiveDelta, LivePlane, SessionMessage, TurnNudge } from './port.ts';

export const channels = {
  session: 'turngate_session',
  nudge: 'turngate_nudge',
  gateway: 'turngate_gateway',
} as const;
export interface Payload {
  channel: string;
  payload: string;
}

type Entry =
  | { kind: 'delta'; sessionId: string; delta: LiveDelta }
  | { kind: 'event' | 'announce'; sessionId: string; seq: number; json: string }
  | { kind: 'notice'; sessionId: string; json: string };

/** Code units that wait at most; above it the outbox sheds down to half. */
const defaultMaxChars = 4 * 1024 * 1024;
const maxNudges = 10_000;
/** What an entry costs besides its text: ids, names, the object. */
const entryChars = 160;

/**
 * What waits for the next NOTIFY. Order within a session is kept; contiguous deltas of a stream become
 * one while they wait. Bounded: deltas and notices are dropped first, oldest first; events
 * are then announced by their last `seq`, which costs a read and loses nothing.
 */
export class Outbox {
  #entries: Entry[] = [];
  #last = new Map<string, Entry>();
  #nudges: string[] = [];
  #gatewayNudges: string[] = [];
  #chars = 0;
  #counter = 0;
  readonly #publisher: string;
  readonly #maxChars: number;
  /** Deltas and notices that were dropped, since the start. */
  dropped = 0;

  constructor(publisher: string, maxChars: number = defaultMaxChars) {
    this.#publisher = publisher;
    this.#maxChars = maxChars;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#nudges.length === 0 && this.#gatewayNudges.length === 0;
  }

  add(message: Parameters<LivePlane['publish']>[0]): void {
    if (message.kind === 'delta') this.#addDelta(message);
    else this.#addWhole(message);
    if (this.#chars > this.#maxChars) this.#shed();
  }

  addNudge(nudge: TurnNudge): void {
    this.#nudges.push(encodeNudge(nudge));
    if (this.#nudges.length > maxNudges) this.#nudges.shift();
  }

  addGatewayNudge(nudge: GatewayNudge): void {
    const item = encodeGatewayNudge(nudge);
    if (item === null) this.dropped += 1;
    else this.#gatewayNudges.push(item);
    if (this.#gatewayNudges.length > maxNudges) this.#gatewayNudges.shift();
  }

  /** Takes nudges and the oldest entries out, packed into about `wanted` payloads. */
  take(wanted: number): Payload[] {
    const payloads = this.#pack(channels.nudge, this.#nudges);
    this.#nudges = [];
    payloads.push(...this.#pack(channels.gateway, this.#gatewayNudges));
    this.#gatewayNudges = [];
    const items: string[] = [];
    let taken = 0;
    let room = wanted * payloadMaxBytes;
    for (const entry of this.#entries) {
      if (room <= 0) break;
      const encoded = entry.kind === 'delta' ? encodeDelta(entry.delta) : [entry.json];
      for (const item of encoded) room -= item.length;
      items.push(...encoded);
      taken += 1;
      this.#chars -= cost(entry);
      if (this.#last.get(entry.sessionId) === entry) this.#last.delete(entry.sessionId);
    }
    this.#entries = this.#entries.slice(taken);
    payloads.push(...this.#pack(channels.session, items));
    return payloads;
  }

  #pack(channel: string, items: string[]): Payload[] {
    const payloads: Payload[] = [];
    let body: string[] = [];
    let bytes = payloadMaxBytes;
    const close = () => {
      if (body.length > 0) payloads.push({ channel, payload: `${body.join(',')}]` });
    };
    for (const item of items) {
      const itemBytes = Buffer.byteLength(item) + 1;
      if (bytes + itemBytes > payloadMaxBytes) {
        close();
        body = [this.#head()];
        bytes = Buffer.byteLength(body[0] ?? '') + 1;
      }
      body.push(item);
      bytes += itemBytes;
    }
    close();
    return payloads;
  }

  #head(): string {
    this.#counter += 1;
    return `["${this.#publisher}",${this.#counter}`;
  }

  #addDelta(delta: LiveDelta): void {
    const last = this.#last.get(delta.sessionId);
    if (last?.kind === 'delta' && continues(last.delta, delta)) {
      last.delta.delta += delta.delta;
      this.#chars += delta.delta.length;
      return;
    }
    this.#push({ kind: 'delta', sessionId: delta.sessionId, delta: { ...delta } });
  }

  #addWhole(message: Exclude<SessionMessage, LiveDelta>): void {
    const { sessionId } = message;
    if (message.kind === 'notice') {
      const json = encodeNotice(message);
      if (json === null) this.dropped += 1;
      else this.#push({ kind: 'notice', sessionId, json });
      return;
    }
    if (message.kind === 'announce') {
      this.#announce(sessionId, message.lastSeq);
      return;
    }
    for (const event of message.events) {
      const json = encodeEvent(event);
      if (json === null) this.#announce(sessionId, event.seq);
      else this.#push({ kind: 'event', sessionId, seq: event.seq, json });
    }
  }

  #announce(sessionId: string, seq: number): void {
    this.#push({ kind: 'announce', sessionId, seq, json: encodeAnnouncement(sessionId, seq) });
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#last.set(entry.sessionId, entry);
    this.#chars += cost(entry);
  }

  #shed(): void {
    const target = this.#maxChars / 2;
    const kept: Entry[] = [];
    for (const entry of this.#entries) {
      const droppable = entry.kind === 'delta' || entry.kind === 'notice';
      if (droppable && this.#chars > target) {
        this.#chars -= cost(entry);
        this.dropped += 1;
      } else kept.push(entry);
    }
    this.#entries = this.#chars > target ? announced(kept) : kept;
    this.#chars = this.#entries.reduce((sum, entry) => sum + cost(entry), 0);
    this.#last.clear();
    if (this.#chars <= this.#maxChars) return;
    // Announcements of so many sessions that they alone are too much: the slow poll finds those events.
    this.#entries = this.#entries.slice(Math.ceil(this.#entries.length / 2));
    this.#chars = this.#entries.reduce((sum, entry) => sum + cost(entry), 0);
  }
}

/** All events of a session as one announcement, in the place of its first. */
function announced(entries: Entry[]): Entry[] {
  const highest = new Map<string, number>();
  for (const entry of entries) {
    if ('seq' in entry) highest.set(entry.sessionId, Math.max(entry.seq, highest.get(entry.sessionId) ?? 0));
  }
  return [...highest].map(([sessionId, seq]) => ({
    kind: 'announce',
    sessionId,
    seq,
    json: encodeAnnouncement(sessionId, seq),
  }));
}

function continues(last: LiveDelta, next: LiveDelta): boolean {
  return (
    last.messageId === next.messageId &&
    last.attempt === next.attempt &&
    last.channel === next.channel &&
    last.offset + last.delta.length === next.offset
  );
}

function cost(entry: Entry): number {
  return entryChars + (entry.kind === 'delta' ? entry.delta.delta.length : entry.json.length);
}
