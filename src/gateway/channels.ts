import { z } from 'zod';
import { clientFrame } from '../protocol/client-frames.ts';
import { eventFrame, liveFrame } from '../protocol/server-frames.ts';

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

/** All channels, by name. Each message needs a `meta({ id })`, in src/protocol/document-names.ts. */
export const channels: Record<string, Channel> = {
  session: {
    address: '/v1/sessions/{session_id}/ws',
    summary: 'One session over a native WebSocket.',
    query: z.object({ last_seq: z.coerce.number().int().min(0).optional() }),
    fromClient: clientFrame.options,
    toClient: [...eventFrame.options, ...liveFrame.options],
  },
};
