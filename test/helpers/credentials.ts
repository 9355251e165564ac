import { expect } from '@jest/globals';
import type { GatewayHarness } from './gateway.ts';
import type { SessionClient } from './session-client.ts';

export const unauthorized = { code: 4001, reason: 'Unauthorized' };
export const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

export async function ticketFor(at: GatewayHarness, token: string, body: object = {}): Promise<string> {
  const { status, body: made } = await at.ask('POST', '/v1/tickets', { token, body });
  expect(status).toBe(201);
  return String(made.ticket);
}

/** The socket that a ticket opens, with nothing else to show. */
export const dialWith = (at: GatewayHarness, sessionId: string, ticket: string): Promise<SessionClient> =>
  at.dial(sessionId, { token: null, query: { ticket } });

/** How a socket is closed, within a second. */
export async function endSoon(client: SessionClient): Promise<number> {
  const startedAt = Date.now();
  const { code } = await client.end();
  expect(Date.now() - startedAt).toBeLessThan(1_000);
  return code;
}
