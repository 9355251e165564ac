import type { GatewayNudge, LivePlane } from '../live/port.ts';
import { feedOwner } from '../protocol/feed-id.ts';
import type { ServerFrame } from '../protocol/server-frames.ts';
import type { Connection } from './connection.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import type { Presence } from './presence.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import type { Typing } from './typing.ts';

/** What every connection to a session does when it comes, registered, and when it goes, whatever transport it has. */
export class Attendance {
  readonly typing: Typing;
  readonly #registry: ConnectionRegistry;
  readonly #hubs: SessionHubs;
  readonly #presence: Presence;
  #unsubscribe: (() => Promise<void>) | null = null;
  #isClosed = false;

  constructor(deps: { registry: ConnectionRegistry; hubs: SessionHubs; presence: Presence; typing: Typing }) {
    this.typing = deps.typing;
    this.#registry = deps.registry;
    this.#hubs = deps.hubs;
    this.#presence = deps.presence;
  }

  /** Settles when other gateways are heard, which waits for the live plane. */
  async start(live: LivePlane): Promise<void> {
    live.onRestored(() => this.#presence.heardAll());
    const unsubscribe = await live.subscribeGatewayNudges((nudge) => this.#heard(nudge));
    if (this.#isClosed) return unsubscribe();
    this.#unsubscribe = unsubscribe;
  }

  /**
   * @param hub acquired for this connection; given back when it goes
   * @param greeting instead of `welcome`
   */
  come(connection: Connection, hub: SessionHub, greeting?: ServerFrame): void {
    connection.join(hub, greeting);
    // Nobody else is in a feed.
    if (feedOwner(connection.sessionId)) return;
    this.#presence.join(connection);
    this.typing.join(connection);
  }

  /** To be called once, when nothing can be sent to the connection any more; also for one that never came. */
  go(connection: Connection, hub: SessionHub): void {
    connection.leave();
    this.#presence.leave(connection);
    this.typing.leave(connection);
    this.#hubs.release(hub);
    this.#registry.unregister(connection.id);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.typing.close();
    await Promise.all([this.#presence.close(), this.#unsubscribe?.()]);
  }

  #heard(nudge: GatewayNudge): void {
    if (nudge.kind === 'presence') this.#presence.heard(nudge.sessionId);
    if (nudge.kind === 'typing') this.typing.heard(nudge);
  }
}
