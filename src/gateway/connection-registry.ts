import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { LivePlane } from '../live/port.ts';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import {
  type ConnectionRow,
  registerConnection,
  removeConnections,
  setConnectionToken,
} from '../store/connections.ts';
import type { Db } from '../store/db.ts';
import { takeClosures } from '../store/gateways.ts';
import { isRevoked, readStanding, readStandings } from '../store/revocations.ts';
import type { Identity } from './auth.ts';
import { ExpiryWatch, type Watched } from './expiry-watch.ts';
import { Rounds } from './rounds.ts';
import { refusalOf, whyNot } from './standing.ts';

/** A connection of any transport, as the registry knows it. */
export interface Registrant {
  connectionId: string;
  /** null for what belongs to no session, such as the feed. */
  sessionId: string | null;
  /** It ends with their token: when that expires, and when it is revoked. */
  identity: Identity;
  /** The name the client gives itself; null makes the connection a device of its own. */
  device: string | null;
  /** When the client dialled, by its own clock in milliseconds, where it says so. */
  dialledAt?: number | null;
  /** Ends the connection. May be called more than once, also while `register` is under way. */
  close(reason: CloseReason, detail?: string): void;
}

export interface RegistrySettings {
  /** `one`: a new connection of the same user to the session takes the old one's place. */
  devicesPerUser: 'many' | 'one';
  /** Connections of one user, on all gateways; 0 is no bound. */
  maxOfUser: number;
  /** A session counts as left when nobody has been there for this long. */
  graceMs: number;
}

interface Entry {
  registrant: Registrant;
  row: ConnectionRow;
  /** Of the token that it lives on now. */
  identity: Identity;
  /** null until the store has answered. */
  epoch: number | null;
  watched: Watched;
}

/** Connections that one statement removes. */
const batchRows = 1_000;

/**
 * The connections of this gateway, each a row in the store that every gateway sees. The row decides which connection
 * of a device counts; here is what is needed to close it. Who wants a connection closed, on whichever gateway, writes
 * a closure (`askToClose`) and nudges.
 */
export class ConnectionRegistry {
  readonly gatewayId = randomUUID();
  readonly #db: Db;
  readonly #live: LivePlane;
  readonly #logger: Logger;
  readonly #settings: RegistrySettings;
  readonly #entries = new Map<string, Entry>();
  /** Ended, and the store does not know yet. */
  readonly #ended = new Set<string>();
  readonly #expiry = new ExpiryWatch();
  readonly #removing: Rounds;
  readonly #closing: Rounds;
  #unsubscribe: (() => Promise<void>) | null = null;
  #isClosed = false;

  constructor(deps: {
    db: Db;
    live: LivePlane;
    logger: Logger;
    settings: RegistrySettings;
    /** How often closures are looked for where no nudge came. */
    closuresMs: number;
  }) {
    this.#db = deps.db;
    this.#live = deps.live;
    this.#logger = deps.logger;
    this.#settings = deps.settings;
    const { logger, closuresMs: everyMs } = deps;
    const closing = 'closures of connections could not be read; tried again';
    this.#closing = new Rounds({ work: () => this.#takeClosures(), everyMs, logger, failure: closing });
    const removing = 'the store still lists connections that have ended; tried again';
    this.#removing = new Rounds({ work: () => this.#removeEnded(), everyMs, logger, failure: removing });
  }

  /** Open connections, and those that are on their way in or not yet out of the store. */
  get size(): number {
    return this.#entries.size + this.#ended.size;
  }

  /** Settles when nudges are heard, which waits for the live plane; works before. */
  async start(): Promise<void> {
    this.#closing.start();
    this.#removing.start();
    this.#live.onRestored(() => this.#closing.soon());
    const unsubscribe = await this.#live.subscribeGatewayNudges((nudge) => {
      if (nudge.kind === 'closures' && nudge.gatewayId === this.gatewayId) this.#closing.soon();
    });
    if (this.#isClosed) return unsubscribe();
    this.#unsubscribe = unsubscribe;
  }

  /**
   * Takes a connection in, in one round trip. From then on whoever takes its place, on whichever gateway, has it
   * closed with 4000. Who was taken in is given to {@link unregister} when it has ended.
   * @returns its epoch, higher than that of any before; or why it may not come in
   * @throws Error when the store cannot be reached; the connection is not in then
   */
  async register(registrant: Registrant): Promise<{ epoch: number } | { refused: CloseReason }> {
    const { connectionId, sessionId, identity } = registrant;
    const { tenant, userId, tokenId } = identity;
    const place = { device: this.#deviceOf(registrant), dialledAt: this.#dialledAt(registrant) };
    const row = { connectionId, sessionId, tenant, userId, tokenId, ...place };
    const expire = () => registrant.close('tokenExpired');
    const watched = this.#expiry.watch(identity.expiresAt, expire);
    const entry: Entry = { registrant, row, identity, epoch: null, watched };
    // Before the store has it: who takes its place at once finds it here.
    this.#entries.set(connectionId, entry);
    try {
      const registered = await registerConnection(this.#db, this.gatewayId, row, this.#settings.maxOfUser);
      if (registered === 'full' || registered === 'outdated') {
        this.#forget(connectionId);
        return { refused: registered === 'full' ? 'tooMany' : 'replaced' };
      }
      entry.epoch = registered.epoch;
      if (registered.replacedOn !== null) this.nudge([registered.replacedOn]);
      if (sessionId !== null) this.tellPresence([sessionId]);
      // What was taken away while they came in closed only who was there.
      const refused = await this.#whyNot(identity, sessionId);
      if (refused === null) return { epoch: registered.epoch };
      this.unregister(connectionId);
      return { refused };
    } catch (error) {
      // Nobody knows whether it was committed.
      this.unregister(connectionId);
      throw error;
    }
  }

  /** What the store cannot be told now it is told later. */
  unregister(connectionId: string): void {
    if (!this.#forget(connectionId)) return;
    this.#ended.add(connectionId);
    this.#removing.soon();
  }

  /**
   * Goes on with another token of the same user, that was good a moment ago: the connection ends with that one now.
   * @throws PublicError `unauthorized` (revoked meanwhile), `forbidden` (somebody else's)
   */
  async renew(connectionId: string, identity: Identity): Promise<void> {
    const entry = this.#entries.get(connectionId);
    if (!entry) return;
    const { row, watched } = entry;
    if (identity.tenant !== row.tenant || identity.userId !== row.userId) {
      throw new PublicError(
        'forbidden',
        'The token is not of the user who opened this connection. Open another connection for it.',
      );
    }
    await setConnectionToken(this.#db, connectionId, identity.tokenId);
    row.tokenId = identity.tokenId;
    entry.identity = identity;
    // As after registering. Who revokes the token before it finds nothing under its name any more.
    if (await isRevoked(this.#db, identity)) {
      entry.registrant.close('unauthorized');
      throw refusalOf('unauthorized');
    }
    if (this.has(connectionId)) watched.renew(identity.expiresAt);
  }

  /** Tells gateways that there are closures for them, once those are committed. */
  nudge(gatewayIds: string[]): void {
    for (const gatewayId of gatewayIds) this.#live.nudgeGateways({ kind: 'closures', gatewayId });
  }

  /** Tells gateways that somebody came to these sessions, or left them. */
  tellPresence(sessionIds: string[]): void {
    for (const sessionId of sessionIds) this.#live.nudgeGateways({ kind: 'presence', sessionId });
  }

  /** The rows that the store should have for this gateway, as far as it has answered. */
  rows(): (ConnectionRow & { epoch: number })[] {
    return [...this.#entries.values()].flatMap(({ row, epoch }) =>
      epoch === null ? [] : [{ ...row, epoch }],
    );
  }

  has(connectionId: string): boolean {
    return this.#entries.has(connectionId);
  }

  /** Closes a connection of this gateway, if it is still there. */
  end(connectionId: string, reason: CloseReason): void {
    this.#entries.get(connectionId)?.registrant.close(reason);
  }

  /** Closes those of these connections whose token was revoked, or who may not see their session any more. */
  async closeUnfit(connectionIds: string[]): Promise<void> {
    const holders = connectionIds.flatMap((id) => {
      const entry = this.#entries.get(id);
      return entry ? [{ id, sessionId: entry.row.sessionId, ...entry.identity }] : [];
    });
    for (let start = 0; start < holders.length; start += batchRows) {
      const standings = await readStandings(this.#db, holders.slice(start, start + batchRows));
      for (const [id, standing] of standings) {
        const why = whyNot(standing);
        if (why !== null) this.end(id, why);
      }
    }
  }

  /** Has connections removed that the store has and this gateway does not. */
  disown(connectionIds: string[]): void {
    for (const id of connectionIds) this.#ended.add(id);
    this.#removing.soon();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#closing.stop(), this.#removing.stop()]);
    await this.#unsubscribe?.();
    this.#expiry.close();
    this.#entries.clear();
    this.#ended.clear();
  }

  #forget(connectionId: string): boolean {
    this.#entries.get(connectionId)?.watched.stop();
    return this.#entries.delete(connectionId);
  }

  async #whyNot(identity: Identity, sessionId: string | null): Promise<CloseReason | null> {
    if (sessionId !== null) return whyNot(await readStanding(this.#db, identity, sessionId));
    return (await isRevoked(this.#db, identity)) ? 'unauthorized' : null;
  }

  #deviceOf({ device, connectionId, sessionId }: Registrant): string {
    if (this.#settings.devicesPerUser === 'one' && sessionId !== null) return '';
    return device ?? connectionId;
  }

  /** Only times of one clock can be compared. */
  #dialledAt({ device, dialledAt }: Registrant): number | null {
    const isOneClock = device !== null && this.#settings.devicesPerUser === 'many';
    return isOneClock ? (dialledAt ?? null) : null;
  }

  async #takeClosures(): Promise<void> {
    for (const { connectionId, reason } of await takeClosures(this.#db, this.gatewayId)) {
      if (isCloseReason(reason)) this.end(connectionId, reason);
      else
        this.#logger.error({ connection_id: connectionId, reason }, 'a closure has no reason that is known');
    }
  }

  async #removeEnded(): Promise<void> {
    while (this.#ended.size > 0) {
      const batch = [...this.#ended].slice(0, batchRows);
      const sessionIds = await removeConnections(this.#db, batch, this.#settings.graceMs);
      for (const id of batch) this.#ended.delete(id);
      this.tellPresence(sessionIds);
    }
  }
}

function isCloseReason(reason: string): reason is CloseReason {
  return Object.hasOwn(closeCodes, reason);
}
