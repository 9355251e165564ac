import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { limits } from '../protocol/limits.ts';
import type { ErrorFrame } from '../protocol/server-frames.ts';
import {
  type Admission,
  type AdmissionDeps,
  admit,
  type SocketRequest,
  socketCredentials,
} from './admission.ts';
import type { Connections, SocketHandler } from './connections.ts';
import { EarlyFrames } from './early-frames.ts';
import type { OriginCheck } from './origins.ts';

/** A socket's user data: who wants to come in, and what handles the socket now. */
export interface SocketData {
  request: SocketRequest;
  handler: SocketHandler | null;
}

interface SocketDeps extends AdmissionDeps {
  isAllowedOrigin: OriginCheck;
  connections: Connections;
}

/** A peer that is gone without a word is given up by the transport after this; `idleMs` comes long before. */
const transportIdleSeconds = 120;
const comeBack = 'retry_after_ms=1000';
/** For what has no code of ours: the request itself can never be served. */
const policyViolation = 1008;

/** `GET /v1/sessions/{id}/ws`: the upgrade, and the way from a socket's events to its connection. */
export function serveWebSocket(app: TemplatedApp, deps: SocketDeps): void {
  app.ws<SocketData>('/v1/sessions/:id/ws', {
    maxPayloadLength: limits.frameHardCapBytes,
    // 0: uWebSockets.js drops nothing by itself; our own bound is asked before each send.
    maxBackpressure: 0,
    idleTimeout: transportIdleSeconds,
    sendPingsAutomatically: false,
    compression: 0,
    upgrade: (res, req, context) => upgrade(deps, res, req, context),
    open: (ws) => open(deps, ws),
    message: (ws, message, isBinary) => receive(ws.getUserData().handler, message, isBinary),
    drain: (ws) => ws.getUserData().handler?.drained(),
    close: (ws, code) => ws.getUserData().handler?.closed(code),
  });
}

/**
 * Upgrades at once, and asks who it is afterwards. An upgrade that waits for that (`res.cork(() => res.upgrade())` after
 * an `await`) now and then closes the new socket with 1006: uNetworking/uWebSockets#1928, in the version we have.
 */
function upgrade(deps: SocketDeps, res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
  if (!deps.isAllowedOrigin(req.getHeader('origin'))) {
    res.writeStatus('403 Forbidden').end('This origin may not connect; see ALLOWED_ORIGINS.');
    return;
  }
  const request = {
    sessionId: req.getParameter(0) ?? '',
    query: new URLSearchParams(req.getQuery()),
    authorization: req.getHeader('authorization'),
    protocols: req.getHeader('sec-websocket-protocol'),
  };
  const key = req.getHeader('sec-websocket-key');
  const extensions = req.getHeader('sec-websocket-extensions');
  const { protocol } = socketCredentials(request);
  res.upgrade<SocketData>({ request, handler: null }, key, protocol, extensions, context);
}

function open(deps: SocketDeps, ws: WebSocket<SocketData>): void {
  const data = ws.getUserData();
  const early = new EarlyFrames(() => ws.end(policyViolation, 'Wait for welcome'));
  data.handler = early;
  const settled = admit(deps, data.request).then((admission) => {
    // A socket that is closed throws whatever is done with it.
    if (!early.isClosed) settle(deps, ws, data, admission, early);
    else if ('granted' in admission) deps.hubs.release(admission.granted.hub);
  });
  settled.catch((error: unknown) => deps.logger.error({ err: error }, 'a connection could not be opened'));
}

function settle(
  deps: SocketDeps,
  ws: WebSocket<SocketData>,
  data: SocketData,
  admission: Admission,
  early: EarlyFrames,
): void {
  if ('granted' in admission) {
    if (deps.isDraining()) {
      // Asked a moment before the drain began, and too late for its farewell.
      deps.hubs.release(admission.granted.hub);
      refuse(ws, 'restarting', comeBack);
      return;
    }
    data.handler = deps.connections.open(ws, admission.granted);
    early.replay(data.handler);
  } else if ('refused' in admission) {
    refuse(ws, admission.refused, admission.detail);
  } else {
    const error: ErrorFrame = { type: 'error', code: 'validation_error', error: admission.invalid };
    ws.send(JSON.stringify(error), false, false);
    ws.end(policyViolation, 'Invalid query');
  }
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
