import { setTimeout as delay } from 'node:timers/promises';
import { signToken } from '../../../src/cli/token.ts';
import type { ToolsSystem } from './system.ts';
import { secret } from './system.ts';

const tokenSeconds = 6 * 3_600;
const againMs = 200;
const requestBoundMs = 10_000;

export type Gateway = ToolsSystem['gateways'][number];
export interface HttpAnswer {
  status: number;
  body: Record<string, unknown>;
}

/** Who the people are, and where the gateways: whoever comes back takes the next one. */
export class Place {
  readonly #gateways: Gateway[];
  readonly #tokens: Map<string, string>;
  #turn = 0;

  private constructor(gateways: Gateway[], tokens: Map<string, string>) {
    this.#gateways = gateways;
    this.#tokens = tokens;
  }

  static async open(system: ToolsSystem, users: string[]): Promise<Place> {
    const tokens = users.map(
      async (user) =>
        [user, await signToken(secret, { user, tenant: 'faults', ttlSeconds: tokenSeconds })] as const,
    );
    return new Place(system.gateways, new Map(await Promise.all(tokens)));
  }

  token(user: string): string {
    return String(this.#tokens.get(user));
  }

  nextGateway(): Gateway {
    this.#turn += 1;
    const gateway = this.#gateways[this.#turn % this.#gateways.length];
    if (!gateway) throw new Error('There is no gateway.');
    return gateway;
  }

  /**
   * Asks one gateway after the other until one answers with something that will not change.
   * @param sent told each time that the request goes out
   * @returns null where the signal was aborted before
   */
  async ask(
    user: string,
    request: { method: string; path: string; body?: unknown },
    signal: AbortSignal,
    sent: (gateway: Gateway) => void = () => undefined,
  ): Promise<(HttpAnswer & { gateway: Gateway }) | null> {
    while (!signal.aborted) {
      const gateway = this.nextGateway();
      const asked = fetch(`${gateway.http}${request.path}`, {
        method: request.method,
        headers: { authorization: `Bearer ${this.token(user)}`, 'content-type': 'application/json' },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: AbortSignal.timeout(requestBoundMs),
      });
      sent(gateway);
      const answer = await asked
        .then(async (response) => ({ status: response.status, body: await response.json() }))
        .catch(() => null);
      const isFinal = answer !== null && answer.status !== 429 && answer.status < 500;
      if (isFinal) return { status: answer.status, body: answer.body as HttpAnswer['body'], gateway };
      await delay(againMs);
    }
    return null;
  }
}
