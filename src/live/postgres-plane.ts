import type { Logger } from 'pino';
import { decodePayload } from './codec.ts';
import { channels } from './outbox.ts';
import type { GatewayNudge, LivePlane, SessionMessage, TurnNudge } from './port.ts';
import { PostgresListener } from './postgres-listener.ts';
import { PostgresPublisher } from './postgres-publisher.ts';

/**
 * The live plane over Postgres `LISTEN`/`NOTIFY`: nothing more to run. Two connections of its own, one to
 * publish and (once somebody subscribes) one to listen; neither ever carries a data transaction, because a
 * NOTIFY in one takes a lock of the whole database at commit.
 */
export function createPostgresPlane(options: {
  connectionString: string;
  applicationName: string;
  logger: Logger;
}): LivePlane {
  const publisher = new PostgresPublisher(options);
  const listener = new PostgresListener(options);
  const guarded = <T>(handler: (item: T) => void, items: T[]) => {
    for (const item of items) {
      try {
        handler(item);
      } catch (error) {
        options.logger.error({ err: error }, 'a handler of live messages failed; the store makes it good');
      }
    }
  };
  return {
    get dropped() {
      return publisher.dropped;
    },
    publish: (message: SessionMessage) => publisher.publish(message),
    nudge: (nudge: TurnNudge) => publisher.nudge(nudge),
    nudgeGateways: (nudge: GatewayNudge) => publisher.nudgeGateways(nudge),
    subscribe: (handler) =>
      listener.listen(channels.session, (payload) => guarded(handler, decodePayload(payload).messages)),
    subscribeNudges: (handler) =>
      listener.listen(channels.nudge, (payload) => guarded(handler, decodePayload(payload).nudges)),
    subscribeGatewayNudges: (handler) =>
      listener.listen(channels.gateway, (payload) => guarded(handler, decodePayload(payload).gatewayNudges)),
    onRestored: (handler) => listener.onRestored(handler),
    close: async () => {
      await Promise.all([publisher.close(), listener.close()]);
    },
  };
}
