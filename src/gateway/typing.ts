import type { GatewayNudge, LivePlane } from '../live/port.ts';
import { type Attendee, offerTo } from './presence.ts';

type TypingNudge = Extract<GatewayNudge, { kind: 'typing' }>;

export interface TypingTimings {
  /** Who has not said so again for this long does not type any more. */
  expiresMs: number;
  /** The same said again within this is not passed on. */
  againMs: number;
  tickMs: number;
}

export const typingTimings: TypingTimings = { expiresMs: 6_000, againMs: 1_000, tickMs: 250 };

interface Typist {
  userId: string;
  expiresAt: number;
}

/**
 * Who types, for the session's other connections. Nothing is stored: a client says again that it types, a gateway
 * passes it on, and every gateway lets it end by itself. So it ends too when client or gateway is gone.
 */
export class Typing {
  readonly #live: Pick<LivePlane, 'nudgeGateways'>;
  readonly #attendees: (sessionId: string) => Iterable<Attendee>;
  readonly #timings: TypingTimings;
  /** Connections of this gateway that said they type: whether they still do, and when that was passed on. */
  readonly #said = new Map<string, { active: boolean; at: number }>();
  /** Session → connection → who types there, of all gateways; only sessions that somebody is connected to here. */
  readonly #typists = new Map<string, Map<string, Typist>>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: {
    live: Pick<LivePlane, 'nudgeGateways'>;
    attendees(sessionId: string): Iterable<Attendee>;
    timings?: TypingTimings;
  }) {
    this.#live = deps.live;
    this.#attendees = deps.attendees;
    this.#timings = deps.timings ?? typingTimings;
    this.#timer = setInterval(() => this.#expire(performance.now()), this.#timings.tickMs);
  }

  /** Sessions in which somebody types, and connections of this gateway that do. */
  get size(): number {
    return this.#typists.size + this.#said.size;
  }

  /** A connection of this gateway begins, goes on, or stops. */
  say(from: Attendee, active: boolean): void {
    const now = performance.now();
    const said = this.#said.get(from.id);
    if (!active && !said?.active) return;
    // Bounds what one connection can make all gateways do, also when it goes to and fro.
    if (active && said && now - said.at < this.#timings.againMs) return;
    this.#said.set(from.id, { active, at: active ? now : (said?.at ?? now) });
    const { id: connectionId, sessionId, identity } = from;
    this.#live.nudgeGateways({ kind: 'typing', sessionId, connectionId, userId: identity.userId, active });
  }

  /** A connection of some gateway began, goes on, or stopped. */
  heard({ sessionId, connectionId, userId, active }: TypingNudge): void {
    const typists = this.#typists.get(sessionId) ?? new Map<string, Typist>();
    if (active && !isEmpty(this.#attendees(sessionId))) {
      const isNew = !typists.has(connectionId);
      typists.set(connectionId, { userId, expiresAt: performance.now() + this.#timings.expiresMs });
      this.#typists.set(sessionId, typists);
      if (isNew) this.#show(sessionId, connectionId, userId, true);
    } else if (typists.delete(connectionId)) {
      this.#show(sessionId, connectionId, userId, false);
      if (typists.size === 0) this.#typists.delete(sessionId);
    }
  }

  /** Who joins is told who types. */
  join(attendee: Attendee): void {
    const users = new Set(
      [...(this.#typists.get(attendee.sessionId)?.values() ?? [])].map(({ userId }) => userId),
    );
    for (const userId of users) offerTo([attendee], { type: 'typing', user_id: userId, active: true });
  }

  leave(attendee: Attendee): void {
    this.say(attendee, false);
    this.#said.delete(attendee.id);
    if (isEmpty(this.#attendees(attendee.sessionId))) this.#typists.delete(attendee.sessionId);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#said.clear();
    this.#typists.clear();
  }

  #expire(now: number): void {
    for (const [id, { at }] of this.#said) if (now - at >= this.#timings.expiresMs) this.#said.delete(id);
    for (const [sessionId, typists] of this.#typists) {
      for (const [connectionId, { userId, expiresAt }] of typists) {
        if (now >= expiresAt) this.heard({ kind: 'typing', sessionId, connectionId, userId, active: false });
      }
    }
  }

  /** To everybody but the one who types; a user types for the others while any other connection of theirs does. */
  #show(sessionId: string, connectionId: string, userId: string, active: boolean): void {
    const others = [...(this.#typists.get(sessionId) ?? [])].filter(
      ([id, typist]) => id !== connectionId && typist.userId === userId,
    );
    const unchanged = (attendee: Attendee) => others.some(([id]) => id !== attendee.id);
    const told = [...this.#attendees(sessionId)].filter(
      (attendee) => attendee.id !== connectionId && !unchanged(attendee),
    );
    offerTo(told, { type: 'typing', user_id: userId, active });
  }
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}
