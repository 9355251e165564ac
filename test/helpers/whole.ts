import { pino } from 'pino';
import { openGateway } from '../../src/cli/gateway.ts';
import { readConfig } from '../../src/config/config.ts';
import { signToken, testSecret } from './gateway.ts';
import { type ConnectOptions, SessionClient } from './session-client.ts';
import { openTurnHarness, type TurnHarness } from './turn-harness.ts';

/** A gateway and a worker on one Postgres, one Temporal, a scripted model and an MCP server: all of Turngate. */
export interface Whole extends TurnHarness {
  http: string;
  /** Connects as alice and waits for `welcome`. */
  connect(sessionId: string, options?: ConnectOptions): Promise<SessionClient>;
}

export async function openWhole(settings: Record<string, string> = {}): Promise<Whole> {
  const at = await openTurnHarness();
  await at.startWorker(settings);
  const env = { ...at.env, ...settings, JWT_SECRET: testSecret, GATEWAY_PORT: '0' };
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const gateway = await openGateway(readConfig(env), logger);
  const clients: SessionClient[] = [];
  return {
    ...at,
    http: `http://127.0.0.1:${gateway.port}`,
    async connect(sessionId, options = {}) {
      const token = options.token === undefined ? await signToken() : options.token;
      const address = `ws://127.0.0.1:${gateway.port}/v1/sessions/${sessionId}/ws`;
      const client = new SessionClient(address, { ...options, token });
      clients.push(client);
      await client.frame('welcome');
      return client;
    },
    async close() {
      for (const client of clients) client.terminate();
      await gateway.close();
      await at.close();
    },
  };
}
