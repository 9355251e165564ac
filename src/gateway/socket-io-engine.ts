import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import type { Server, Socket } from 'socket.io';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { corsHeaders, problemOf, problemType, writeAnswer } from './http-answer.ts';
import { foreignOrigin, type OriginCheck } from './origins.ts';
import { CopiedRequest, PollAnswer } from './socket-io-polling.ts';
import { boundPongs } from './websocket-outlet.ts';

type Conn = Socket['conn'];

/** What Engine.IO hangs into an App; it is given {@link EngineApp} in the App's place. */
interface EngineHandlers {
  upgrade(res: object, req: object, context: us_socket_context_t): void;
  open(ws: WebSocket<WireData>): void;
  message(ws: WebSocket<WireData>, message: ArrayBuffer, isBinary: boolean): void;
  close(ws: WebSocket<WireData>, code: number, message: ArrayBuffer): void;
}

/** Engine.IO's; it has to be told the end of a socket that it was never given. */
interface Transport {
  onClose(): void;
}

/** A socket's user data. `transport` is Engine.IO's, and has this name because Engine.IO reads it. */
interface WireData {
  transport: object | null;
  request: CopiedRequest;
  context: us_socket_context_t;
  isClosed: boolean;
}

const transportIdleSeconds = 120;
const policyViolation = 1008;
const unsupportedData = 1003;

/**
 * Hangs Socket.IO's engine into the gateway's App, in between so that the gateway's own rules hold for it too: sockets
 * are upgraded at once (see websocket.ts), the origin is checked first, sizes have our bounds and codes, nothing is
 * dropped for a slow reader, and somebody knows what waits for each.
 */
export class SocketIoEngine {
  readonly #isAllowedOrigin: OriginCheck;
  readonly #isDraining: () => boolean;
  readonly #wires = new WeakMap<object, WebSocket<WireData>>();
  /** Transports that are to be closed as soon as they have their WebSocket. */
  readonly #unwanted = new WeakMap<object, CloseReason>();
  /** Bytes of answers to polls on their way, by Engine.IO's id. */
  readonly #polled = new Map<string, number>();
  readonly #drained = new Map<string, () => void>();

  constructor(options: { isAllowedOrigin: OriginCheck; isDraining(): boolean }) {
    this.#isAllowedOrigin = options.isAllowedOrigin;
    this.#isDraining = options.isDraining;
  }

  attach(io: Server, app: TemplatedApp): void {
    // Engine.IO chains its calls.
    const between = {
      any: (path: string, handle: (res: object, req: object) => void) => {
        app.any(path, (res, req) => this.#poll(res, req, handle));
        return between;
      },
      ws: (path: string, handlers: EngineHandlers) => {
        this.#serve(app, path, handlers);
        return between;
      },
    };
    io.attachApp(between);
  }

  /** The WebSocket that carries a connection now; null while it polls, or when it is closed. */
  wireOf(conn: Conn): WebSocket<unknown> | null {
    return this.#wires.get(conn.transport) ?? null;
  }

  /** Ends a connection, with a code where it has a WebSocket. */
  end(conn: Conn, why: CloseReason): void {
    const { code, reason } = closeCodes[why];
    const wire = this.wireOf(conn);
    if (wire) wire.end(code, reason);
    else if (conn.transport.name === 'websocket') this.#unwanted.set(conn.transport, why);
    else conn.close();
  }

  /** Bytes that were given to the transport and that the client has not taken. */
  waitingBytes(conn: Conn): number {
    return (this.wireOf(conn)?.getBufferedAmount() ?? 0) + (this.#polled.get(idOf(conn)) ?? 0);
  }

  /** Calls `tell` whenever less waits than before, until {@link forget}. */
  watch(conn: Conn, tell: () => void): void {
    this.#drained.set(idOf(conn), tell);
  }

  forget(conn: Conn): void {
    this.#drained.delete(idOf(conn));
    this.#polled.delete(idOf(conn));
  }

  #poll(res: HttpResponse, req: HttpRequest, handle: (res: object, req: object) => void): void {
    const origin = req.getHeader('origin');
    if (!this.#isAllowedOrigin(origin)) {
      refuseHttp(res, foreignOrigin());
      return;
    }
    // Engine.IO would never answer it, where the sid is one of a WebSocket.
    if (req.getQuery('transport') === 'websocket') {
      refuseHttp(res, new PublicError('validation_error', 'transport=websocket needs an upgrade.'));
      return;
    }
    const id = req.getQuery('sid') ?? '';
    if (id === '' && this.#isDraining()) {
      refuseHttp(res, new PublicError('unavailable', 'The gateway is restarting. Connect again.'));
      return;
    }
    let counted = 0;
    const answer = new PollAnswer(res, corsHeaders(origin), (bytes) => {
      this.#count(id, bytes - counted);
      counted = bytes;
    });
    handle(answer, new CopiedRequest(req));
  }

  #count(id: string, bytes: number): void {
    if (bytes === 0 || !this.#drained.has(id)) return;
    this.#polled.set(id, (this.#polled.get(id) ?? 0) + bytes);
    if (bytes < 0) this.#drained.get(id)?.();
  }

  #serve(app: TemplatedApp, path: string, handlers: EngineHandlers): void {
    app.ws<WireData>(path, {
      maxPayloadLength: limits.frameHardCapBytes,
      // 0: uWebSockets.js drops nothing by itself; our own bound is asked before each send.
      maxBackpressure: 0,
      idleTimeout: transportIdleSeconds,
      sendPingsAutomatically: false,
      compression: 0,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open: (ws) => this.#open(ws, handlers),
      message: (ws, message, isBinary) => receive(ws, message, isBinary, handlers),
      ping: (ws) => void boundPongs(ws),
      drain: (ws) => this.#drain(ws),
      close: (ws, code, message) => {
        const data = ws.getUserData();
        data.isClosed = true;
        if (!data.transport) return;
        this.#wires.delete(data.transport);
        handlers.close(ws, code, message);
      },
    });
  }

  #upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (!this.#isAllowedOrigin(req.getHeader('origin'))) {
      refuseHttp(res, foreignOrigin());
      return;
    }
    const data: WireData = { transport: null, request: new CopiedRequest(req), context, isClosed: false };
    const key = req.getHeader('sec-websocket-key');
    const extensions = req.getHeader('sec-websocket-extensions');
    res.upgrade<WireData>(data, key, '', extensions, context);
  }

  /** Lets Engine.IO decide about a socket that is upgraded already; where it refuses, the socket is closed. */
  #open(ws: WebSocket<WireData>, handlers: EngineHandlers): void {
    const data = ws.getUserData();
    if (this.#isDraining()) {
      ws.end(closeCodes.restarting.code, closeCodes.restarting.reason);
      return;
    }
    let status = '';
    const refuse = (text = '') => {
      if (!data.isClosed) ws.end(policyViolation, `${status} ${text}`.trim().slice(0, maxReasonChars));
    };
    const res = {
      getRemoteAddressAsText: () => ws.getRemoteAddressAsText(),
      onAborted: () => undefined,
      cork: (write: () => void) => write(),
      writeStatus: (text: string) => {
        status = text;
      },
      writeHeader: () => undefined,
      end: refuse,
      close: refuse,
      upgrade: ({ transport }: { transport: Transport }) => {
        const unwanted = this.#unwanted.get(transport);
        if (unwanted && !data.isClosed) ws.end(closeCodes[unwanted].code, closeCodes[unwanted].reason);
        if (data.isClosed) {
          transport.onClose();
          return;
        }
        data.transport = transport;
        this.#wires.set(transport, ws);
        handlers.open(ws);
      },
    };
    // Engine.IO would make any transport that is named, and break on another one's socket.
    if (new URLSearchParams(data.request.getQuery()).get('transport') === 'websocket')
      handlers.upgrade(res, data.request, data.context);
    else refuse('A WebSocket is asked for with transport=websocket.');
  }

  #drain(ws: WebSocket<WireData>): void {
    const { transport, request } = ws.getUserData();
    // Only what began as a WebSocket has it from Engine.IO; what upgraded came with it.
    const id = sidOf(request) ?? (transport && 'sid' in transport ? String(transport.sid) : '');
    this.#drained.get(id)?.();
  }
}

function sidOf(request: CopiedRequest): string | null {
  return new URLSearchParams(request.getQuery()).get('sid');
}

/** A close frame has room for 123 bytes. */
const maxReasonChars = 120;

function refuseHttp(res: HttpResponse, error: PublicError): void {
  writeAnswer(res, problemOf(error), [], problemType);
}

function receive(
  ws: WebSocket<WireData>,
  message: ArrayBuffer,
  isBinary: boolean,
  handlers: EngineHandlers,
): void {
  const { transport } = ws.getUserData();
  if (!transport) return;
  if (message.byteLength > limits.frameBytes) {
    ws.end(closeCodes.frameTooLarge.code, closeCodes.frameTooLarge.reason);
  } else if (isBinary) {
    ws.end(unsupportedData, 'Binary frames are not understood');
  } else handlers.message(ws, message, isBinary);
}

/** Engine.IO's id of a connection; its types call it private. */
function idOf(conn: Conn): string {
  return String(Reflect.get(conn, 'id'));
}
