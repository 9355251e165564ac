import { v7 as uuidv7 } from 'uuid';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import type { Identity } from './auth.ts';
import type { ConnectionRegistry } from './connection-registry.ts';

/** That a Socket.IO connection is somebody's: registered as theirs, until their token expires. */
export class SocketIoSeat {
  #identity: Identity;
  readonly #id = uuidv7();
  readonly #registry: ConnectionRegistry;
  readonly #onEnd: (code: number, reason: string) => void;
  #isTaken = true;

  /** @param options.onEnd is told with a close code when the connection may not be theirs any more */
  constructor(options: {
    identity: Identity;
    registry: ConnectionRegistry;
    onEnd(code: number, reason: string): void;
  }) {
    this.#identity = options.identity;
    this.#registry = options.registry;
    this.#onEnd = options.onEnd;
  }

  get identity(): Identity {
    return this.#identity;
  }

  isOf({ userId, tenant }: Identity): boolean {
    return userId === this.#identity.userId && tenant === this.#identity.tenant;
  }

  /**
   * Goes on with another token of theirs.
   * @throws PublicError `unauthorized`, when it was revoked meanwhile; whatever the store says
   */
  async renew(identity: Identity): Promise<void> {
    await this.#registry.renew(this.#id, identity);
    this.#identity = identity;
  }

  /** Answers why it may not be theirs, or null. Rejects when the store cannot be reached. */
  async take(): Promise<CloseReason | null> {
    const answer = await this.#registry.register({
      connectionId: this.#id,
      sessionId: null,
      identity: this.#identity,
      device: null,
      close: (reason, detail) => this.#end(reason, detail),
    });
    if (!this.#isTaken) this.#registry.unregister(this.#id);
    return 'refused' in answer ? answer.refused : null;
  }

  leave(): void {
    this.#isTaken = false;
    this.#registry.unregister(this.#id);
  }

  #end(reason: CloseReason, detail?: string): void {
    if (!this.#isTaken) return;
    const { code, reason: text } = closeCodes[reason];
    this.#onEnd(code, detail === undefined ? text : `${text}; ${detail}`);
  }
}
