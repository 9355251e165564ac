import type { Logger } from 'pino';
import type { PresenceFrame } from '../protocol/live-frames.ts';
import type { ServerFrame } from '../protocol/server-frames.ts';
import type { SessionPresence } from '../store/presence.ts';
import { Outgoing } from './outgoing.ts';
import { Rounds } from './rounds.ts';

/** A connection as presence and typing know it. */
export interface Attendee {
  readonly id: string;
  readonly sessionId: string;
  readonly identity: { userId: string };
  /** Sends a live frame if there is room for it; answers false where there is none. */
  offer(outgoing: Outgoing): boolean;
}

interface Room {
  attendees: Set<Attendee>;
  /** Have not been told who is there; null: none, which it nearly always is. */
  owed: Set<Attendee> | null;
  /** What the others were told last. */
  shown: string | null;
}

/** Sessions that one query asks about. */
const batchSessions = 500;
/** Users that one frame names. */
const maxUsers = 500;

/**
 * Who is in each session that this gateway serves, told to the connections when it changes and to each that joins.
 * The store knows it of all gateways: it is read after each nudge, and every `everyMs` for nudges that were lost.
 */
export class Presence {
  readonly #read: (sessionIds: string[]) => Promise<Map<string, SessionPresence>>;
  readonly #resume: (sessionId: string) => void;
  readonly #rooms = new Map<string, Room>();
  /** Sessions to read. */
  readonly #stale = new Set<string>();
  readonly #reading: Rounds;
  readonly #timer: NodeJS.Timeout;

  constructor(deps: {
    read(sessionIds: string[]): Promise<Map<string, SessionPresence>>;
    /** Called for a session that is suspended although somebody is there. */
    resume(sessionId: string): void;
    everyMs: number;
    logger: Logger;
  }) {
    this.#read = deps.read;
    this.#resume = deps.resume;
    const { everyMs, logger } = deps;
    const failure = 'presence could not be read; it is tried again';
    this.#reading = new Rounds({ work: () => this.#refresh(), everyMs, logger, failure });
    this.#timer = setInterval(() => this.heardAll(), everyMs);
    this.#reading.start();
  }

  /** Sessions that somebody is connected to here. */
  get size(): number {
    return this.#rooms.size;
  }

  attendees(sessionId: string): Iterable<Attendee> {
    return this.#rooms.get(sessionId)?.attendees ?? [];
  }

  /** To be called after `welcome`. */
  join(attendee: Attendee): void {
    const room = this.#rooms.get(attendee.sessionId) ?? {
      attendees: new Set(),
      owed: null,
      shown: null,
    };
    this.#rooms.set(attendee.sessionId, room);
    room.attendees.add(attendee);
    room.owed ??= new Set();
    room.owed.add(attendee);
    this.heard(attendee.sessionId);
  }

  leave(attendee: Attendee): void {
    const room = this.#rooms.get(attendee.sessionId);
    room?.attendees.delete(attendee);
    room?.owed?.delete(attendee);
    if (room?.attendees.size === 0) this.#rooms.delete(attendee.sessionId);
  }

  /** Somebody came or left, on whichever gateway. */
  heard(sessionId: string): void {
    if (!this.#rooms.has(sessionId)) return;
    this.#stale.add(sessionId);
    this.#reading.soon();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading.stop();
    this.#rooms.clear();
    this.#stale.clear();
  }

  /** Nobody knows what was missed. */
  heardAll(): void {
    for (const sessionId of this.#rooms.keys()) this.#stale.add(sessionId);
    this.#reading.soon();
  }

  async #refresh(): Promise<void> {
    while (this.#stale.size > 0) {
      const batch = [...this.#stale].slice(0, batchSessions);
      // Before it is read: what changes meanwhile makes it stale again.
      for (const sessionId of batch) this.#stale.delete(sessionId);
      const found = await this.#read(batch).catch((error: unknown) => {
        for (const sessionId of batch) this.#stale.add(sessionId);
        throw error;
      });
      for (const [sessionId, presence] of found) this.#show(sessionId, presence);
    }
  }

  #show(sessionId: string, { state, users }: SessionPresence): void {
    if (state === 'suspended' && users.length > 0) this.#resume(sessionId);
    const room = this.#rooms.get(sessionId);
    if (!room || users.length === 0) return;
    const frame: PresenceFrame = { type: 'presence', users: users.slice(0, maxUsers) };
    const outgoing = new Outgoing(frame);
    if (outgoing.json !== room.shown) {
      room.shown = outgoing.json;
      room.owed = new Set(room.attendees);
    }
    const left = [...(room.owed ?? [])].filter((attendee) => !attendee.offer(outgoing));
    room.owed = left.length > 0 ? new Set(left) : null;
  }
}

/** Gives a frame to those who fit; who has no room goes without, because the next one says more. */
export function offerTo(attendees: Iterable<Attendee>, frame: ServerFrame): void {
  const outgoing = new Outgoing(frame);
  for (const attendee of attendees) attendee.offer(outgoing);
}
