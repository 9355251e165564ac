import type { ServerFrame } from '../protocol/server-frames.ts';

export interface SessionOptions {
  /** Names this client, so that its next connection replaces its last one, and what arrived is stored for it. */
  device?: string;
  /** Begin after this event, without the history; with 0, at the first. */
  lastSeq?: number;
  /** Only these types of frames. */
  events?: readonly ServerFrame['type'][];
  /** Messages a page of the history, 1 to 200. */
  pageMessages?: number;
}
