import type { Logger } from 'pino';
import type { CloseReason } from '../protocol/close-codes.ts';
import { askToClose, type ConnectionChoice } from '../store/connections.ts';
import { type Db, type Tx, transaction } from '../store/db.ts';
import { revokeToken, revokeUser } from '../store/revocations.ts';
import type { ConnectionRegistry } from './connection-registry.ts';

interface By {
  tenant: string;
  revokedBy: string;
}

/** Takes rights away: in the store, and from whoever is connected, on whichever gateway. */
export class Revoker {
  readonly #db: Db;
  readonly #registry: ConnectionRegistry;
  readonly #logger: Logger;

  constructor(deps: { db: Db; registry: ConnectionRegistry; logger: Logger }) {
    this.#db = deps.db;
    this.#registry = deps.registry;
    this.#logger = deps.logger;
  }

  /** @param token.expiresAt when it would have ended anyway; null: nobody knows */
  async revokeToken(token: By & { tokenId: string; expiresAt: number | null }): Promise<void> {
    const { tenant, tokenId } = token;
    await this.closing([{ tenant, tokenId }], 'unauthorized', (tx) => revokeToken(tx, token));
    this.#logger.info({ by: token.revokedBy, tenant }, 'a token was revoked');
  }

  /** @returns the moment before which tokens of the user count no more */
  async revokeUser(user: By & { userId: string }): Promise<number> {
    const { tenant, userId } = user;
    const moment = await this.closing([{ tenant, userId }], 'unauthorized', (tx) => revokeUser(tx, user));
    this.#logger.info({ by: user.revokedBy, tenant, user_id: userId }, 'all tokens of a user were revoked');
    return moment;
  }

  /**
   * Commits `work`, which takes a right away, and has the connections closed that live on it. They are asked for
   * twice: with the work, so that a death of this process in between loses nothing; and after it, because who registers
   * while it is under way sees neither each other nor, in the look back after registering, the work.
   */
  async closing<T>(
    choices: ConnectionChoice[],
    reason: CloseReason,
    work: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const ask = (db: Db | Tx) => Promise.all(choices.map((choice) => askToClose(db, choice, reason)));
    const { value, gateways } = await transaction(this.#db, async (tx) => {
      const value = await work(tx);
      return { value, gateways: await ask(tx) };
    });
    this.#registry.nudge([...new Set(gateways.flat())]);
    const late = await ask(this.#db);
    this.#registry.nudge([...new Set(late.flat())]);
    return value;
  }
}
