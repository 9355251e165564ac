import './header-bound.ts';
import { App, type TemplatedApp, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { setTimeout as delay } from 'node:timers/promises';
import { feedOwner } from '../protocol/feed-id.ts';
import { readPresence } from '../store/presence.ts';
import { writeReceipt } from '../store/receipts.ts';
import { webhookNumbers } from '../store/webhook-views.ts';
import { Attendance } from './attendance.ts';
import { clientAddresses } from './client-address.ts';
import { Commands } from './commands.ts';
import { ConnectionRegistry } from './connection-registry.ts';
import { Connections } from './connections.ts';
import { deliveryStore } from './delivery-store.ts';
import { type GatewayDeps, gatewayTimings } from './deps.ts';
import { FeedCommands } from './feed-commands.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { GatewayLife } from './gateway-life.ts';
import { serveAgents } from './http-agents.ts';
import { serveSessions } from './http-api.ts';
import { serveApprovals } from './http-approvals.ts';
import { serveAttachments } from './http-attachments.ts';
import { serveCredentials } from './http-credentials.ts';
import { serveDocuments } from './http-documents.ts';
import { serveEvents } from './http-events.ts';
import { serveExternalEvents } from './http-external-events.ts';
import { serveFeed } from './http-feed.ts';
import { serveHealth } from './http-health.ts';
import { serveInputs } from './http-inputs.ts';
import { serveMetrics } from './http-metrics.ts';
import { servePage } from './http-page.ts';
import { HttpRouter } from './http-router.ts';
import { serveUsage } from './http-usage.ts';
import { serveWebhooks } from './http-webhooks.ts';
import { InFlight } from './in-flight.ts';
import { createMetrics } from './metrics.ts';
import { type OriginCheck, originCheck } from './origins.ts';
import { Presence } from './presence.ts';
import { Revoker } from './revoker.ts';
import { SessionAdmin } from './session-admin.ts';
import { SessionHubs } from './session-hubs.ts';
import { SessionStates } from './session-states.ts';
import { serveSocketIo } from './socket-io.ts';
import { SseStreams } from './sse-streams.ts';
import { Traffic } from './traffic.ts';
import { Typing } from './typing.ts';
import { Visitors } from './visitors.ts';
import { serveWebSocket } from './websocket.ts';

export interface Gateway {
  port: number;
  /** What this process holds for its connections; all 0 when nobody is connected. */
  sizes(): Record<string, number>;
  /**
   * Drains: `/readyz` fails and no new connection is let in; after `noticeMs`, in which a load balancer may notice,
   * connections are sent away with 1012, what is under way is awaited (at most `boundMs`), the subscription ends. The
   * pool and the live plane stay their maker's to close.
   */
  close(options?: { boundMs?: number; noticeMs?: number }): Promise<void>;
}

const drainMs = 1_500;
/** Of the bound, for who just asked for something: the answer still comes before the farewell. */
const answerShare = 0.2;
/** Close frames get this long to leave before the sockets are gone. */
const lingerMs = 100;
/** A store that is away does not hold a gateway that leaves; the others remove what is left of it. */
const leaveMs = 1_000;

/**
 * Opens the gateway: WebSocket and HTTP on one port.
 * @throws Error when the address cannot be listened on
 */
export async function startGateway(deps: GatewayDeps): Promise<Gateway> {
  const { db, live, turns, verifyToken, logger } = deps;
  const timings = { ...gatewayTimings, ...deps.timings };
  let isDraining = false;
  const inFlight = new InFlight();
  const traffic = new Traffic();
  const store = deliveryStore(db);
  const hubs = new SessionHubs({ store, live, logger, timings: timings.hub });
  const gatekeeper = new Gatekeeper({ db, verifyToken });
  const commands = new Commands({
    db,
    live,
    turns,
    inFlight,
    attachmentsMax: deps.config.ATTACHMENTS_PER_MESSAGE,
    logger,
  });
  const feedCommands = new FeedCommands({ db, commands });
  const graceMs = deps.config.SESSION_SUSPEND_AFTER_MS;
  const registry = new ConnectionRegistry({
    db,
    live,
    logger,
    closuresMs: timings.closuresMs,
    settings: {
      devicesPerUser: deps.config.DEVICES_PER_USER,
      maxOfUser: deps.config.CONNECTIONS_PER_USER,
      graceMs,
    },
  });
  const life = new GatewayLife({ db, registry, logger, graceMs, timings: timings.life });
  const states = new SessionStates({ db, live, logger, everyMs: timings.leftMs });
  const presence = new Presence({
    read: (sessionIds) => readPresence(db, sessionIds),
    resume: (sessionId) => states.resume(sessionId),
    everyMs: timings.presenceMs,
    logger,
  });
  const attendees = (sessionId: string) => presence.attendees(sessionId);
  const typing = new Typing({ live, attendees, timings: timings.typing });
  const attendance = new Attendance({ registry, hubs, presence, typing });
  const framesPerSecond = deps.config.FRAMES_PER_SECOND;
  const addressOf = clientAddresses(deps.config.TRUSTED_PROXIES);
  const visitors = new Visitors(addressOf, {
    ofAddress: deps.config.CONNECTIONS_PER_ADDRESS,
    all: deps.config.CONNECTIONS_MAX,
  });
  const connections = new Connections({
    attendance,
    registry,
    gatekeeper,
    framesPerSecond,
    commandsOf: (sessionId) => (feedOwner(sessionId) ? feedCommands : commands),
    inFlight,
    readEvents: store.readEvents,
    traffic,
    writeReceipt: (device, seq) => writeReceipt(db, device, seq),
    timings,
    logger,
  });
  const { readEvents } = store;
  const isGoing = () => isDraining;
  const streams = new SseStreams({
    ...{ hubs, registry, visitors, attendance, readEvents, traffic, timings, logger },
    isDraining: isGoing,
  });
  // Which origins are our own is known only when the port is.
  let isAllowedOrigin: OriginCheck = (origin) => origin === '';
  const allowed: OriginCheck = (origin) => isAllowedOrigin(origin);
  const common = { db, hubs, gatekeeper, traffic, logger, isAllowedOrigin: allowed, isDraining: isGoing };

  const app = App();
  serveWebSocket(app, { ...common, connections, registry, visitors });
  const socketIo = serveSocketIo(app, {
    ...common,
    writeReceipt: (device, seq) => writeReceipt(db, device, seq),
    registry,
    attendance,
    visitors,
    framesPerSecond,
    commands,
    inFlight,
    readEvents: store.readEvents,
    timings,
  });
  const router = new HttpRouter(app, {
    ...common,
    inFlight,
    perSecond: deps.config.HTTP_REQUESTS_PER_SECOND,
    addressOf,
  });
  const revoker = new Revoker({ db, registry, logger });
  const { agents } = deps;
  serveSessions(router, { db, commands, agents, admin: new SessionAdmin({ live, commands, revoker }) });
  serveAgents(router, agents);
  serveUsage(router, { db, limits: deps.limits });
  serveApprovals(router, { db, feedCommands });
  serveInputs(router, { db, feedCommands });
  serveCredentials(router, { gatekeeper, revoker });
  serveEvents(router, { db, commands, streams });
  serveFeed(router, { db, streams });
  serveExternalEvents(router, { db, live });
  serveWebhooks(router, { db });
  serveHealth(router, { ...common, checkTemporal: deps.checkTemporal });
  const transfers = serveAttachments(router, {
    db,
    attachments: deps.attachments,
    config: deps.config,
    uploadMs: timings.uploadMs,
  });
  const render = createMetrics({
    traffic,
    connections: () => ({ websocket: connections.size, sse: streams.size, socket_io: socketIo.size }),
    hubs: () => hubs.size,
    transfers,
    liveDropped: () => live.dropped,
    pool: () => db,
    webhooks: () => webhookNumbers(db),
  });
  serveMetrics(router, { render, token: deps.config.METRICS_TOKEN });
  serveDocuments(router);
  servePage(app);
  router.rest();

  const { GATEWAY_HOST: host, GATEWAY_PORT, ALLOWED_ORIGINS } = deps.config;
  const listener = await listen(app, host, GATEWAY_PORT).catch(async (error: unknown) => {
    connections.closeAll();
    streams.closeAll();
    await attendance.close();
    throw error;
  });
  isAllowedOrigin = originCheck({ allowed: ALLOWED_ORIGINS, host, port: listener.port });
  hubs.start(timings.pollMs).catch((error: unknown) => {
    logger.error({ err: error }, 'the live plane could not be subscribed to; the slow poll delivers alone');
  });
  states.start();
  Promise.all([registry.start(), attendance.start(live)]).catch((error: unknown) => {
    logger.error({ err: error }, 'nudges of other gateways are not heard; the store is looked at instead');
  });
  life.start();
  logger.info({ port: listener.port, gateway_id: registry.gatewayId }, 'gateway listens');

  const drain = async (boundMs: number, noticeMs: number) => {
    isDraining = true;
    if (noticeMs > 0) await delay(noticeMs);
    listener.close();
    await inFlight.settle(boundMs * answerShare);
    connections.closeAll();
    socketIo.closeAll();
    streams.closeAll();
    const left = await inFlight.settle(boundMs * (1 - answerShare));
    if (left > 0) logger.warn({ left }, 'requests were still under way when the drain ended');
    const goodbye = Promise.all([registry.close(), attendance.close(), states.stop()]).then(() =>
      life.leave(),
    );
    await Promise.all([
      hubs.close(),
      delay(lingerMs),
      Promise.race([goodbye, delay(leaveMs, undefined, { ref: false })]),
    ]);
    await socketIo.close();
    app.close();
  };
  // Once: uWebSockets.js crashes the process when a listener is closed twice.
  let drained: Promise<void> | null = null;
  return {
    port: listener.port,
    sizes: () => ({
      connections: connections.size,
      streams: streams.size,
      socketIo: socketIo.size,
      registered: registry.size,
      hubs: hubs.size,
      visitors: visitors.size,
      presence: presence.size,
      typing: typing.size,
    }),
    close: ({ boundMs = drainMs, noticeMs = 0 } = {}) => {
      drained ??= drain(boundMs, noticeMs);
      return drained;
    },
  };
}

function listen(app: TemplatedApp, host: string, port: number): Promise<{ port: number; close(): void }> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, (socket) => {
      if (!socket) {
        reject(
          new Error(
            `The gateway cannot listen on ${host}:${port}. Is another process there? Set GATEWAY_PORT.`,
          ),
        );
        return;
      }
      resolve({ port: us_socket_local_port(socket), close: () => us_listen_socket_close(socket) });
    });
  });
}
