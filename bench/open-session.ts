import { once } from 'node:events';
import WebSocket from 'ws';

const openBoundMs = 10_000;

/** Makes a session and connects to it; its first frame has come. */
export async function openSession(at: {
  http: string;
  ws: string;
  token: string;
}): Promise<{ id: string; socket: WebSocket }> {
  const headers = { authorization: `Bearer ${at.token}` };
  const made = await fetch(`${at.http}/v1/sessions`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(openBoundMs),
  });
  if (made.status !== 201) throw new Error(`A session could not be made: HTTP ${made.status}.`);
  const { id } = (await made.json()) as { id: string };
  const socket = new WebSocket(`${at.ws}/v1/sessions/${id}/ws`, {
    headers,
    perMessageDeflate: false,
    handshakeTimeout: openBoundMs,
  });
  const refused = once(socket, 'close').then(([code]) => {
    throw new Error(`The gateway closed a connection: ${code}.`);
  });
  await Promise.race([once(socket, 'message'), refused]);
  // It may close later on, when others listen for it.
  refused.catch(() => undefined);
  return { id, socket };
}
