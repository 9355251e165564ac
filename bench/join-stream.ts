import WebSocket from 'ws';
import type { ServerFrame } from '../src/protocol/server-frames.ts';
import { nowMs } from './clock.ts';
import type { OpenStream } from './open-streams.ts';
import type { System } from './system.ts';
import { within } from './within.ts';

/**
 * A client that comes back to a stream; it is there when a frame has made it level.
 * @param take gets every frame, also those after that, and says whether it is level
 * @throws Error where the gateway refuses it, closes it, or takes longer than `boundMs`
 */
export async function joinStream(
  system: System,
  { sessionId, lastSeq }: OpenStream,
  boundMs: number,
  take: (frame: ServerFrame, receivedMs: number) => boolean,
): Promise<WebSocket> {
  const { ws, token } = system.dev;
  const socket = new WebSocket(`${ws}/v1/sessions/${sessionId}/ws?last_seq=${lastSeq}`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    handshakeTimeout: boundMs,
  });
  const level = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code) => reject(new Error(`The gateway closed a client: ${code}.`)));
    socket.on('message', (data) => {
      const receivedMs = nowMs();
      if (take(JSON.parse(String(data)) as ServerFrame, receivedMs)) resolve();
    });
  });
  try {
    await within(boundMs, 'joining of a stream', level);
    return socket;
  } catch (error) {
    socket.terminate();
    throw error;
  }
}
