import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';

interface Pair {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
}

/** An identity provider's key server on loopback, which can rotate its keys, go away and come back. */
export class KeyServer {
  /** What it gives away now; a test changes it to rotate. */
  published: Pair[] = [];
  asked = 0;
  /** Takes requests and never answers. */
  hangs = false;
  /** Answers this instead of the keys. */
  status = 200;
  #server: Server;
  #port = 0;

  constructor() {
    this.#server = this.#make();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/jwks`;
  }

  async key(kid: string, alg = 'ES256'): Promise<Pair> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
    return { kid, alg, privateKey, publicKey, jwk };
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** It can be opened again, at the same address. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    this.#server = this.#make();
  }

  #make(): Server {
    return createServer((_, response) => {
      this.asked += 1;
      if (this.hangs) return;
      response.writeHead(this.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: this.published.map(({ jwk }) => jwk) }));
    });
  }
}

/** A token of alice's, signed with a key of the provider's. */
export function signWith(
  pair: Pair,
  claims: Record<string, unknown> = {},
  header: { kid?: string; alg?: string } = {},
): Promise<string> {
  return new SignJWT({ sub: 'alice', tenant: 't', iss: 'idp', aud: 'turngate', ...claims })
    .setProtectedHeader({ alg: pair.alg, kid: pair.kid, ...header })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(pair.privateKey);
}

/** What an attacker has who knows the public key: its text, to be used as a shared secret. */
export async function publicText(pair: Pair): Promise<{ pem: string; jwk: string }> {
  return { pem: await exportSPKI(pair.publicKey), jwk: JSON.stringify(pair.jwk) };
}
