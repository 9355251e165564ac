import { z } from 'zod';
import { clientFrame } from './client-frames.ts';
import { feedFrame } from './feed-frames.ts';
import { messageView, problem, sessionView } from './http.ts';
import { liveFrame } from './live-frames.ts';
import { eventFrame, serverFrame } from './server-frames.ts';
import { socketIoClientEvents } from './socket-io.ts';
import { socketIoServerEvents } from './socket-io-events.ts';
import { webhookMessage } from './webhooks.ts';

// Names under which schemas stand in the generated documents. A frame is called by its type and what it is.
for (const option of clientFrame.options) name(`Client${pascalOf(option.shape.type.value)}`, option);
for (const option of eventFrame.options) name(`Event${pascalOf(option.shape.type.value)}`, option);
for (const option of feedFrame.options) name(`Feed${pascalOf(option.shape.type.value)}`, option);
for (const option of liveFrame.options) name(`Live${pascalOf(option.shape.type.value)}`, option);

for (const [event, payload] of Object.entries(socketIoClientEvents)) {
  name(`SocketIoClient${pascalOf(event)}`, payload, event);
}
for (const [event, payload] of Object.entries(socketIoServerEvents)) {
  name(`SocketIo${pascalOf(event)}`, payload, event);
}

for (const option of webhookMessage.options) {
  name(`Webhook${pascalOf(option.shape.type.value.replace('.', '_'))}`, option);
}

name('ClientFrame', clientFrame);
name('EventFrame', eventFrame);
name('FeedFrame', feedFrame);
name('LiveFrame', liveFrame);
name('ServerFrame', serverFrame);
name('Session', sessionView);
name('Message', messageView);
name('Problem', problem);

/** `stream_delta` → `StreamDelta`. */
export function pascalOf(type: string): string {
  return type.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** @param title what it is called on the wire, where that is not its `type` */
function name(id: string, schema: z.ZodType, title?: string): void {
  const meta = z.globalRegistry.get(schema);
  z.globalRegistry.add(schema, { ...meta, id, ...(title === undefined ? {} : { title }) });
}

/** All frames of the native protocol and of the feed, by name. */
export const nativeFrames = {
  ClientFrame: clientFrame,
  EventFrame: eventFrame,
  FeedFrame: feedFrame,
  LiveFrame: liveFrame,
  ServerFrame: serverFrame,
};
