import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import { v7 as uuidv7 } from 'uuid';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { limits } from '../protocol/limits.ts';
import type { ErrorFrame } from '../protocol/live-frames.ts';
import { type AdmissionDeps, admit, type Granted, type SocketRequest } from './admission.ts';
import { routeOf } from './client-address.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import type { Connections } from './connections.ts';
import { readCredentials } from './credentials.ts';
import { type Device, deviceOf } from './device-name.ts';
import { EarlyFrames } from './early-frames.ts';
import { problemOf, problemType, writeAnswer } from './http-answer.ts';
import type { SocketHandler } from './open-socket.ts';
import { foreignOrigin, type OriginCheck } from './origins.ts';
import type { Traffic } from './traffic.ts';
import type { Visit, Visitors } from './visitors.ts';
import { boundPongs } from './websocket-outlet.ts';

/** A socket's user data: who wants to come in, and what handles the socket now. */
export interface SocketData {
  request: SocketRequest;
  handler: SocketHandler | null;
  /** null: there is no room for it. */
  visit: Visit | null;
}

interface SocketDeps extends AdmissionDeps {
  isAllowedOrigin: OriginCheck;
  connections: Connections;
  registry: ConnectionRegistry;
  traffic: Traffic;
  visitors: Visitors;
}

/** A peer that is gone without a word is given up by the transport after this; `idleMs` comes long before. */
const transportIdleSeconds = 120;
const comeBack = 'retry_after_ms=1000';
const storeAway = `the store is away; ${comeBack}`;
/** A user's other connections end when they end; nobody needs to ask more often. */
const tooManyBack = 'retry_after_ms=5000';
/** For what has no code of ours: the request itself can never be served. */
const policyViolation = 1008;

/** What is left of a request once it is decided. */
const noRequest: SocketRequest = {
  sessionId: null,
  query: new URLSearchParams(),
  authorization: '',
  protocols: '',
};

const paths = { session: '/v1/sessions/:id/ws', feed: '/v1/feed' };

/** A session's and the feed's WebSocket: the upgrade, and the way from a socket's events to its connection. */
export function serveWebSocket(app: TemplatedApp, deps: SocketDeps): void {
  serve(app, paths.session, deps, (req) => req.getParameter(0) ?? '');
  serve(app, paths.feed, deps, () => null);
}

function serve(
  app: TemplatedApp,
  path: string,
  deps: SocketDeps,
  sessionOf: (req: HttpRequest) => string | null,
): void {
  app.ws<SocketData>(path, {
    maxPayloadLength: limits.frameHardCapBytes,
    // 0: uWebSockets.js drops nothing by itself; our own bound is asked before each send.
    maxBackpressure: 0,
    idleTimeout: transportIdleSeconds,
    sendPingsAutomatically: false,
    compression: 0,
    upgrade: (res, req, context) => upgrade(deps, sessionOf(req), res, req, context),
    open: (ws) => open(deps, ws),
    message: (ws, message, isBinary) => receive(ws.getUserData().handler, message, isBinary),
    ping: (ws) => {
      if (boundPongs(ws)) ws.getUserData().handler?.alive();
    },
    pong: (ws) => ws.getUserData().handler?.alive(),
    drain: (ws) => ws.getUserData().handler?.drained(),
    close: (ws, code) => {
      deps.traffic.closed('websocket', code);
      const { handler, visit } = ws.getUserData();
      visit?.leave();
      handler?.closed(code);
    },
  });
}

/**
 * Upgrades at once, and asks who it is afterwards. An upgrade that waits for that (`res.cork(() => res.upgrade())` after
 * an `await`) now and then closes the new socket with 1006: uNetworking/uWebSockets#1928, in the version we have.
 */
function upgrade(
  deps: SocketDeps,
  sessionId: string | null,
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
): void {
  if (!deps.isAllowedOrigin(req.getHeader('origin'))) {
    writeAnswer(res, problemOf(foreignOrigin()), [], problemType);
    return;
  }
  const request = {
    sessionId,
    query: new URLSearchParams(req.getQuery()),
    authorization: req.getHeader('authorization'),
    protocols: req.getHeader('sec-websocket-protocol'),
  };
  const visit = deps.visitors.enter(routeOf(res, req));
  const key = req.getHeader('sec-websocket-key');
  const extensions = req.getHeader('sec-websocket-extensions');
  const { protocol } = readCredentials(request);
  res.upgrade<SocketData>({ request, handler: null, visit }, key, protocol, extensions, context);
}

function open(deps: SocketDeps, ws: WebSocket<SocketData>): void {
  const data = ws.getUserData();
  const early = new EarlyFrames(
    () => ws.end(policyViolation, 'Wait for welcome'),
    (reason, detail) => refuse(ws, reason, detail),
  );
  data.handler = early;
  if (!data.visit) {
    early.close('tooMany', tooManyBack);
    return;
  }
  letIn(deps, ws, data, early).catch((error: unknown) =>
    deps.logger.error({ err: error }, 'a connection could not be opened'),
  );
}

/** A socket that is closed throws whatever is done with it: after each wait it is asked whether it still is open. */
async function letIn(
  deps: SocketDeps,
  ws: WebSocket<SocketData>,
  data: SocketData,
  early: EarlyFrames,
): Promise<void> {
  const device = deviceOf(data.request.query);
  const admission = await admit(deps, data.request);
  if ('refused' in admission) {
    early.close(admission.refused, admission.detail);
    return;
  }
  if ('invalid' in admission) {
    if (!early.isClosed) rejectQuery(ws, admission.invalid);
    return;
  }
  if ('invalid' in device) {
    deps.hubs.release(admission.granted.hub);
    if (!early.isClosed) rejectQuery(ws, device.invalid);
    return;
  }
  const { granted } = admission;
  const connectionId = uuidv7();
  const sessionId = data.request.sessionId === null ? null : granted.hub.sessionId;
  // Kept as long as the socket, and a token and a query are more than all the rest of it.
  data.request = noRequest;
  const isIn = await register(deps, { granted, connectionId, sessionId, device, data, early });
  // Asked a moment before the drain began, and too late for its farewell.
  if (isIn && deps.isDraining()) early.close('restarting', comeBack);
  if (isIn && !early.isClosed) {
    data.handler = deps.connections.open(ws, granted, { connectionId, address: data.visit?.address ?? null });
    early.replay(data.handler);
    return;
  }
  deps.registry.unregister(connectionId);
  deps.hubs.release(granted.hub);
}

async function register(
  deps: SocketDeps,
  guest: {
    granted: Granted;
    connectionId: string;
    sessionId: string | null;
    device: Device;
    data: SocketData;
    early: EarlyFrames;
  },
): Promise<boolean> {
  const { granted, connectionId, sessionId, device, data, early } = guest;
  try {
    const answer = await deps.registry.register({
      connectionId,
      sessionId,
      identity: granted.identity,
      device: device.name,
      dialledAt: device.dialledAt,
      close: (reason, detail) => data.handler?.close(reason, detail),
    });
    if ('refused' in answer) {
      early.close(answer.refused, answer.refused === 'tooMany' ? tooManyBack : undefined);
    }
    return !('refused' in answer);
  } catch (error) {
    deps.logger.error({ err: error, connection_id: connectionId }, 'a connection could not be registered');
    early.close('restarting', storeAway);
    return false;
  }
}

function rejectQuery(ws: WebSocket<SocketData>, why: string): void {
  const error: ErrorFrame = { type: 'error', code: 'validation_error', error: why };
  ws.send(JSON.stringify(error), false, false);
  ws.end(policyViolation, 'Invalid query');
}

function refuse(ws: WebSocket<SocketData>, why: CloseReason, detail?: string): void {
  const { code, reason } = closeCodes[why];
  ws.end(code, detail === undefined ? reason : `${reason}; ${detail}`);
}

function receive(handler: SocketHandler | null, message: ArrayBuffer, isBinary: boolean): void {
  if (!handler) return;
  // The buffer is ours only until this returns; the text is a copy.
  if (message.byteLength > limits.frameBytes) handler.tooLarge();
  else if (isBinary) handler.binary();
  else handler.text(Buffer.from(message).toString('utf8'));
}
