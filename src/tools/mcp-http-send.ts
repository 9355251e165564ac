import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { errorCode } from '../protocol/error-text.ts';
import { AddressRefused, addressFault, checkedLookup, isInnerHost, plainHost } from './mcp-address.ts';

const connectMs = 10_000;
/** Less than the 5 s after which many servers close a connection that nobody uses. */
const unusedMs = 4_000;
const maxSockets = 256;

/** Nothing came back. `sent`: the request may have reached the server all the same. */
export class HttpFault extends Error {
  override readonly name = 'HttpFault';
  readonly sent: boolean;
  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

/** These say that the request is to be made elsewhere; others often come after it was carried out, 303 always. */
const elsewhere = [307, 308];

/** Not followed: it may lead anywhere. */
export class Redirected extends HttpFault {
  constructor(status: number) {
    super('it answers with a redirect, and redirects are not followed', !elsewhere.includes(status));
  }
}

export interface HttpSender {
  /** @throws HttpFault */
  send(
    method: string,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage>;
  close(): void;
}

/** Requests to one URL, over connections that are kept, to addresses that were checked. Redirects are not followed. */
export function createHttpSender(url: URL, privateAddress: boolean): HttpSender {
  const secure = url.protocol === 'https:';
  const host = plainHost(url);
  const mayBeInner = privateAddress || isInnerHost(host);
  const agentOptions = {
    keepAlive: true,
    maxSockets,
    timeout: unusedMs,
    lookup: checkedLookup(mayBeInner),
  };
  const agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  // Of an address, nothing is looked up.
  const fault = addressOf(host) === null ? null : addressFault(host, mayBeInner);

  return {
    async send(method, headers, body, signal) {
      if (fault !== null) throw new HttpFault(`it stands at ${fault}`, false);
      const open = secure ? https.request : http.request;
      return new Promise((resolve, reject) => {
        let sent = false;
        const outgoing = open(url, { method, headers, agent, signal }, resolve);
        const connecting = setTimeout(() => outgoing.destroy(new Error('connect timeout')), connectMs);
        outgoing.once('socket', (socket) => {
          const connected = () => {
            sent = true;
            clearTimeout(connecting);
          };
          if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', connected);
          else connected();
        });
        // Stays on after the response began: a late error is the body's to report, and must not be uncaught.
        outgoing.on('error', (error) => {
          clearTimeout(connecting);
          reject(new HttpFault(wordsOf(error), sent));
        });
        outgoing.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

function addressOf(host: string): string | null {
  return /^[\d.]+$|:/.test(host) ? host : null;
}

function wordsOf(error: Error): string {
  if (error instanceof AddressRefused) return error.message;
  const code = errorCode(error);
  return code === undefined ? 'the connection failed' : `the connection failed (${code})`;
}
