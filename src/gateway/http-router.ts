import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import type { Logger } from 'pino';
import { PublicError } from '../protocol/errors.ts';
import type { Identity } from './auth.ts';
import type { ClientAddress } from './client-address.ts';
import { bearerToken, streamToken } from './credentials.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import {
  corsHeaders,
  type HttpAnswer,
  HttpFault,
  type HttpStream,
  problemOf,
  problemType,
  writeAnswer,
} from './http-answer.ts';
import { type HttpCall, readCall } from './http-call.ts';
import type { Route, RouteDescription } from './http-route.ts';
import type { InFlight } from './in-flight.ts';
import { foreignOrigin, type OriginCheck } from './origins.ts';
import { publicError } from './public-errors.ts';
import { RateLimit } from './rate-limit.ts';
import type { Traffic } from './traffic.ts';

export type HttpHandler = (call: HttpCall, identity: Identity) => Promise<HttpAnswer | HttpStream>;

const appMethods = { get: 'get', post: 'post', put: 'put', patch: 'patch', delete: 'del' } as const;
/** Of the rate of a user, what may come at once. */
const burstSeconds = 5;
const preflightMaxAgeSeconds = '600';

/** Routes of the HTTP API: every one checks the origin, then the token, and answers every failure as a problem. */
export class HttpRouter {
  readonly #app: TemplatedApp;
  readonly #routes: Route[] = [];
  readonly #deps: {
    gatekeeper: Gatekeeper;
    isAllowedOrigin: OriginCheck;
    inFlight: InFlight;
    traffic: Traffic;
    logger: Logger;
    addressOf: ClientAddress;
  };
  readonly #rates: RateLimit;

  constructor(
    app: TemplatedApp,
    deps: {
      gatekeeper: Gatekeeper;
      isAllowedOrigin: OriginCheck;
      inFlight: InFlight;
      traffic: Traffic;
      logger: Logger;
      /** Requests of one user. */
      perSecond: number;
      addressOf: ClientAddress;
    },
  ) {
    this.#app = app;
    this.#deps = deps;
    this.#rates = new RateLimit({ perSecond: deps.perSecond, burst: deps.perSecond * burstSeconds });
  }

  /** Every route there is, as the OpenAPI document tells of them. */
  get routes(): readonly Route[] {
    return this.#routes;
  }

  get(path: string, description: RouteDescription, handler: HttpHandler): void {
    const tokenOf = (call: HttpCall) => bearerToken(call.authorization) ?? streamToken(call);
    this.#route(
      { ...description, method: 'get', path, isOpen: false },
      this.#authenticated(handler, tokenOf),
    );
  }

  post(path: string, description: RouteDescription, handler: HttpHandler): void {
    this.#route({ ...description, method: 'post', path, isOpen: false }, this.#authenticated(handler));
  }

  patch(path: string, description: RouteDescription, handler: HttpHandler): void {
    this.#route({ ...description, method: 'patch', path, isOpen: false }, this.#authenticated(handler));
  }

  delete(path: string, description: RouteDescription, handler: HttpHandler): void {
    this.#route({ ...description, method: 'delete', path, isOpen: false }, this.#authenticated(handler));
  }

  /** For probes and documents: no token is asked. */
  open(
    path: string,
    description: RouteDescription,
    handler: (call: HttpCall) => Promise<HttpAnswer | HttpStream>,
  ): void {
    this.#route({ ...description, method: 'get', path, isOpen: true }, handler);
  }

  /** What no route took: preflights of browsers, other methods, paths that do not exist. To be called last. */
  rest(): void {
    this.#app.options('/*', (res, req) => this.#preflight(res, req));
    for (const path of new Set(this.#routes.map((route) => route.path))) {
      const methods = this.#routes.filter((route) => route.path === path).map(({ method }) => method);
      const allowed = methods.map((method) => method.toUpperCase()).join(', ');
      const words = `This path takes ${allowed} only.`;
      this.#refuse(path, new HttpFault(405, 'validation_error', words, { headers: [['Allow', allowed]] }));
    }
    this.#refuse('/*', new PublicError('not_found', 'There is nothing at this path.'));
  }

  #route(route: Route, handler: (call: HttpCall) => Promise<HttpAnswer | HttpStream>): void {
    this.#routes.push(route);
    this.#app[appMethods[route.method]](route.path, (res, req) => this.#serve(res, req, handler, route));
  }

  #refuse(path: string, fault: PublicError): void {
    this.#app.any(path, (res, req) => this.#serve(res, req, () => Promise.reject(fault)));
  }

  /** @param tokenOf where a token may stand: only what reads may have it in its address */
  #authenticated(
    handler: HttpHandler,
    tokenOf = (call: HttpCall) => bearerToken(call.authorization),
  ): (call: HttpCall) => Promise<HttpAnswer | HttpStream> {
    return async (call) => {
      const token = tokenOf(call);
      if (token === null) {
        throw new PublicError('unauthorized', 'No token was sent. Send "Authorization: Bearer <JWT>".');
      }
      const identity = await this.#deps.gatekeeper.byToken(token);
      this.#count(identity);
      return handler(call, identity);
    };
  }

  /** @throws HttpFault 429 */
  #count({ tenant, userId }: Identity): void {
    const waitMs = this.#rates.take(JSON.stringify([tenant, userId]));
    if (waitMs === 0) return;
    const seconds = String(Math.ceil(waitMs / 1_000));
    const words = `Your requests come too quickly. Ask again after ${seconds} s.`;
    throw new HttpFault(429, 'rate_limit', words, { headers: [['Retry-After', seconds]] });
  }

  #serve(
    res: HttpResponse,
    req: HttpRequest,
    handler: (call: HttpCall) => Promise<HttpAnswer | HttpStream>,
    route?: Route,
  ): void {
    const call = readCall(res, req, route?.isUpload);
    call.address = this.#deps.addressOf(call.route);
    const method = route?.method ?? 'other';
    const isAllowed = this.#deps.isAllowedOrigin(call.origin);
    const work = (isAllowed ? handler(call) : Promise.reject(foreignOrigin())).then(
      (answer) => ({ answer, type: 'application/json' }),
      (error: unknown) => ({ answer: this.#problem(error), type: problemType }),
    );
    const written = work.then(async ({ answer, type }) => {
      await call.finish();
      this.#deps.traffic.answered(method, route?.path ?? 'other', 'status' in answer ? answer.status : 200);
      const headers = isAllowed ? corsHeaders(call.origin) : [];
      if ('stream' in answer) {
        if (call.isAborted()) answer.abandon();
        else answer.stream(res, headers);
        return;
      }
      if (!call.isAborted()) {
        writeAnswer(res, answer, headers, type, {
          closes: call.mustClose(),
          isHead: call.isHead,
          hearsOfAbort: true,
        });
      }
      answer.after?.();
    });
    const settled = written.catch((error: unknown) =>
      this.#deps.logger.error({ err: error }, 'an HTTP answer could not be written'),
    );
    void this.#deps.inFlight.track(settled);
  }

  #problem(error: unknown): HttpAnswer {
    const known = publicError(error);
    if (known !== error) this.#deps.logger.error({ err: error }, 'an HTTP request could not be handled');
    return problemOf(known);
  }

  #preflight(res: HttpResponse, req: HttpRequest): void {
    const origin = req.getHeader('origin');
    if (!this.#deps.isAllowedOrigin(origin)) {
      writeAnswer(res, problemOf(foreignOrigin()), [], problemType);
      return;
    }
    writeAnswer(res, { status: 204, body: undefined }, [
      ...corsHeaders(origin),
      ['Access-Control-Allow-Methods', 'GET, POST, PATCH, DELETE'],
      [
        'Access-Control-Allow-Headers',
        'Authorization, Content-Type, Content-Disposition, Idempotency-Key, Last-Event-ID',
      ],
      ['Access-Control-Max-Age', preflightMaxAgeSeconds],
    ]);
  }
}
