import type { Outgoing } from './outgoing.ts';

/**
 * The way out to one client, whatever carries it: WebSocket, server-sent events, Socket.IO. It never keeps more than
 * it says here; what to send, and what to send again, is decided by the {@link Connection} in front of it.
 */
export interface Outlet {
  /** Once false, it stays false and nothing below has an effect. */
  readonly isOpen: boolean;
  /** So much waits in this process that nothing live may be sent until {@link drained}. */
  readonly isFull: boolean;
  /** More waits than may wait at all: the connection is to be closed. */
  readonly isOverrun: boolean;
  send(outgoing: Outgoing): void;
  /** Several sends as one write. */
  cork(write: () => void): void;
  /** Settles when little waits, or the client is gone. */
  drained(): Promise<void>;
  /** Says goodbye, as far as the transport can: a WebSocket's close code and reason. */
  end(code: number, reason: string): void;
}
