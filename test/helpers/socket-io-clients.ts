import { expect } from '@jest/globals';
import { type GatewayHarness, signToken } from './gateway.ts';
import { SocketIoTestClient } from './socket-io-client.ts';
import { StreamingStep } from './streaming.ts';

type Options = ConstructorParameters<typeof SocketIoTestClient>[1];
type Place = Pick<GatewayHarness, 'http'>;

/** The clients that a test opens. */
export class SocketIoClients {
  readonly #open: SocketIoTestClient[] = [];

  dial(at: Place, options: Options = {}): SocketIoTestClient {
    const client = new SocketIoTestClient(at.http, options);
    this.#open.push(client);
    return client;
  }

  /** One of that user's who is let in. */
  async connect(at: Place, sub: string, options: Options = {}): Promise<SocketIoTestClient> {
    const client = this.dial(at, { auth: { token: await signToken({ sub }) }, ...options });
    await client.event('connection_established');
    return client;
  }

  /** A session of alice's with a turn under way, and a client that takes part in it and knows only that. */
  async watch(
    harness: GatewayHarness,
    options: Options = {},
    at: Place = harness,
  ): Promise<{ sessionId: string; client: SocketIoTestClient; step: StreamingStep }> {
    const sessionId = await harness.session();
    const client = await this.connect(at, 'alice', options);
    await client.ask('resume', { session_id: sessionId });
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.ask('talk');
    await step.open();
    return { sessionId, client, step };
  }

  /** At the end of each test; nothing that they got was against the protocol. */
  close(): void {
    for (const client of this.#open.splice(0)) {
      client.close();
      expect(client.breaches).toEqual([]);
    }
  }
}

/** Every event of the session came once, in its order. */
export function expectOnce(client: SocketIoTestClient): void {
  const seqs = client.of('message_saved').map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  expect(client.of('turn_started').length).toBe(1);
  expect(client.of('conversation_complete').length).toBe(1);
}
