import type { SocketIoPayload, SocketIoServerEventName } from '../protocol/socket-io-events.ts';

/** One Socket.IO event on its way out. */
export type Emission = {
  [Name in SocketIoServerEventName]: {
    event: Name;
    payload: SocketIoPayload<Name>;
    /** Everything of its session up to here has been said with it; live ones move nothing. */
    reaches?: number;
  };
}[SocketIoServerEventName];
