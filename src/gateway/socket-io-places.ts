import type { SocketIoAuth } from '../protocol/socket-io.ts';
import type { Db } from '../store/db.ts';
import type { Identity } from './auth.ts';
import { sessionIdOf } from './session-id.ts';
import { type Cursors, cursorsOf } from './socket-io-offset.ts';

export interface Place {
  sessionId: string;
  /** The client has the events up to here; null: it wants what comes from now on. */
  after: number | null;
  /** The client asks for it itself; the others only Socket.IO has remembered. */
  isNamed: boolean;
}

/** Where a client takes part that comes, or comes back: where it says, where it was, and where this connection was. */
export async function placesOf(
  db: Db,
  identity: Identity,
  said: { auth: SocketIoAuth | null; cursors: Cursors },
): Promise<Place[]> {
  const { auth, cursors } = said;
  const places = new Map<string, Place>();
  for (const [sessionId, after] of [...cursorsOf(auth?.offset), ...cursors]) {
    places.set(sessionId, { sessionId, after, isNamed: false });
  }
  for (const [name, after] of Object.entries(auth?.sessions ?? {})) {
    const sessionId = (await sessionIdOf(db, identity, name)) ?? name;
    // A client that says the same in every handshake has come further meanwhile.
    const reached = places.get(sessionId)?.after ?? null;
    const furthest = reached === null ? after : Math.max(reached, after ?? 0);
    places.set(sessionId, { sessionId, after: furthest, isNamed: true });
  }
  return [...places.values()];
}
