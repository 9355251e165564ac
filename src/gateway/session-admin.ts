import type { LivePlane } from '../live/port.ts';
import { publishEvents } from '../live/publish-events.ts';
import type { SessionChange } from '../protocol/http.ts';
import { changeSession, deleteSession } from '../store/session-changes.ts';
import type { Commands } from './commands.ts';
import type { Revoker } from './revoker.ts';

interface Owner {
  tenant: string;
  userId: string;
  sessionId: string;
}

/** What an owner does with a session: commits it, tells everybody, and closes the connections that it shuts out. */
export class SessionAdmin {
  readonly #live: LivePlane;
  readonly #commands: Pick<Commands, 'stop'>;
  readonly #revoker: Revoker;

  constructor(deps: { live: LivePlane; commands: Pick<Commands, 'stop'>; revoker: Revoker }) {
    this.#live = deps.live;
    this.#commands = deps.commands;
    this.#revoker = deps.revoker;
  }

  /** @throws PublicError `not_found`, `forbidden`, `conflict`, `validation_error` */
  async change(owner: Owner, change: SessionChange): Promise<void> {
    const { tenant, sessionId } = owner;
    const leaving = Object.entries(change.participants ?? {}).flatMap(([userId, role]) =>
      role === null ? [{ tenant, sessionId, userId }] : [],
    );
    const events = await this.#revoker.closing(leaving, 'accessDenied', (tx) =>
      changeSession(tx, owner, change),
    );
    publishEvents(this.#live, sessionId, events);
  }

  /** @throws PublicError `not_found`, `forbidden` */
  async delete(owner: Owner): Promise<void> {
    const { tenant, sessionId } = owner;
    const { running } = await this.#revoker.closing([{ tenant, sessionId }], 'sessionNotFound', (tx) =>
      deleteSession(tx, owner),
    );
    // Its events are nobody's any more, so none is published.
    if (running !== null) this.#commands.stop(sessionId, running);
  }
}
