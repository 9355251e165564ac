import { v7 as uuidv7 } from 'uuid';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import type { Identity } from './auth.ts';
import type { ConnectionRegistry } from './connection-registry.ts';

/** The longest that one timer can wait; a token that lasts longer gets another. */
const maxTimerMs = 2 ** 31 - 1;

/** That a Socket.IO connection is somebody's: registered as theirs, until their token expires. */
export class SocketIoSeat {
  readonly identity: Identity;
  readonly #id = uuidv7();
  readonly #registry: ConnectionRegistry;
  readonly #onEnd: (code: number, reason: string) => void;
  #expiry: NodeJS.Timeout | undefined;
  #isTaken = true;

  /** @param options.onEnd is told with a close code when the connection may not be theirs any more */
  constructor(options: {
    identity: Identity;
    registry: ConnectionRegistry;
    onEnd(code: number, reason: string): void;
  }) {
    this.identity = options.identity;
    this.#registry = options.registry;
    this.#onEnd = options.onEnd;
  }

  /** Answers false when they have too many connections. Rejects when the store cannot be reached. */
  async take(): Promise<boolean> {
    const { tenant, userId, tokenId } = this.identity;
    const answer = await this.#registry.register({
      connectionId: this.#id,
      sessionId: null,
      tenant,
      userId,
      device: null,
      tokenId,
      close: (reason, detail) => this.#end(reason, detail),
    });
    if (this.#isTaken) this.#armExpiry();
    else this.#registry.unregister(this.#id);
    return !('refused' in answer);
  }

  leave(): void {
    this.#isTaken = false;
    clearTimeout(this.#expiry);
    this.#registry.unregister(this.#id);
  }

  #armExpiry(): void {
    const { expiresAt } = this.identity;
    if (expiresAt === null) return;
    const waitMs = Math.min(Math.max(0, expiresAt - Date.now()), maxTimerMs);
    this.#expiry = setTimeout(() => {
      if (expiresAt > Date.now()) this.#armExpiry();
      else this.#end('tokenExpired');
    }, waitMs);
  }

  #end(reason: CloseReason, detail?: string): void {
    if (!this.#isTaken) return;
    const { code, reason: text } = closeCodes[reason];
    this.#onEnd(code, detail === undefined ? text : `${text}; ${detail}`);
  }
}
