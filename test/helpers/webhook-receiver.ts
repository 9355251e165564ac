import { randomBytes, webcrypto } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebhookMessage, webhookMessage } from '../../src/protocol/webhooks.ts';
import { until } from './until.ts';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  message: WebhookMessage;
}

/** What the receiver does with a request: nothing at all leaves the sender waiting. */
export type Reaction = (request: Received, response: ServerResponse) => void;

export interface WebhookReceiver {
  url: string;
  received: Received[];
  /** Ids of what came, in the order of coming. */
  ids(): string[];
  react(reaction: Reaction): void;
  /** Waits until this many requests have come. */
  count(n: number, boundMs?: number): Promise<Received[]>;
  /** Nobody listens any more; `up` listens at the same address again. */
  down(): Promise<void>;
  up(): Promise<void>;
}

export const answer =
  (status: number, headers: Record<string, string> = {}): Reaction =>
  (_, response) =>
    void response.writeHead(status, headers).end();

/** A receiver of webhooks over real HTTP; answers 204 unless told otherwise. */
export async function openReceiver(): Promise<WebhookReceiver> {
  let reaction: Reaction = answer(204);
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      const message = webhookMessage.parse(JSON.parse(body));
      const one = { path: request.url ?? '', headers: request.headers, body, message };
      received.push(one);
      reaction(one, response);
    });
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve());
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    ids: () => received.map(({ headers }) => String(headers['webhook-id'])),
    react: (next) => {
      reaction = next;
    },
    count: async (n, boundMs) => {
      await until(() => received.length >= n, boundMs);
      return received;
    },
    down: () =>
      new Promise<void>((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    up: () => listen(port),
  };
}

export function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/**
 * As a receiver checks it, written from the specification (standardwebhooks.com) and on other parts of the platform
 * than ours: whether one of the signatures is of this secret.
 */
export async function isSignedBy(
  secret: string,
  { headers, body }: { headers: IncomingHttpHeaders; body: string },
): Promise<boolean> {
  const raw = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (character) => character.charCodeAt(0));
  const key = await webcrypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, [
    'verify',
  ]);
  const signed = new TextEncoder().encode(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
  for (const one of String(headers['webhook-signature']).split(' ')) {
    const [version, encoded = ''] = one.split(',');
    const signature = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    if (version === 'v1' && (await webcrypto.subtle.verify('HMAC', key, signature, signed))) return true;
  }
  return false;
}
