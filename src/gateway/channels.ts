import { z } from 'zod';
import '../protocol/document-names.ts';
import {
  authFrame,
  clientFrame,
  inputResponseFrame,
  pingFrame,
  pongFrame,
  resumeFrame,
  toolApprovalFrame,
} from '../protocol/client-frames.ts';
import { feedFrame } from '../protocol/feed-frames.ts';
import { limits } from '../protocol/limits.ts';
import { liveFrame } from '../protocol/live-frames.ts';
import { eventFrame } from '../protocol/server-frames.ts';
import { socketIoClientEvents } from '../protocol/socket-io.ts';
import { socketIoServerEvents } from '../protocol/socket-io-events.ts';

/** What the AsyncAPI document says of one way over which messages come and go. */
export interface Channel {
  /** Path, with parameters in braces. */
  address: string;
  summary: string;
  /** Of the request that opens it. */
  query: z.ZodObject;
  fromClient: readonly z.ZodType[];
  toClient: readonly z.ZodType[];
}

const streamQuery = z.object({
  last_seq: z.coerce.number().int().min(0).optional().describe('resume after it'),
  events: z.string().optional().describe('comma list of frame types; the others are left out'),
  ticket: z.string().optional().describe('of POST /v1/tickets'),
  token: z.string().optional().describe('a JWT, for clients that can send it no other way'),
});
const sessionQuery = streamQuery.extend({
  device: z.string().max(limits.deviceChars).optional().describe('names this client instance'),
  dialled_at: z.coerce
    .number()
    .int()
    .optional()
    .describe('milliseconds since 1970, by the clock of the device'),
});
const feedLive = new Set(['welcome', 'cursor', 'resync', 'ack', 'error', 'ping', 'pong']);

/** All channels, by name. Each message needs a `meta({ id })`, in src/protocol/document-names.ts. */
export const channels: Record<string, Channel> = {
  session: {
    address: '/v1/sessions/{session_id}/ws',
    summary: 'One session over a native WebSocket.',
    query: sessionQuery,
    fromClient: clientFrame.options,
    toClient: [...eventFrame.options, ...liveFrame.options],
  },
  socket_io: {
    address: '/socket.io/',
    summary:
      'Sessions over Socket.IO: each message is the payload of an event; its title is the name of the event.',
    query: z.object({}),
    fromClient: Object.values(socketIoClientEvents),
    toClient: Object.values(socketIoServerEvents),
  },
  feed: {
    address: '/v1/feed',
    summary: 'What concerns you across your sessions, over a native WebSocket.',
    query: streamQuery,
    fromClient: [toolApprovalFrame, inputResponseFrame, resumeFrame, authFrame, pingFrame, pongFrame],
    toClient: [
      ...feedFrame.options,
      ...liveFrame.options.filter(({ shape }) => feedLive.has(shape.type.value)),
    ],
  },
};
