import { limits } from '../protocol/limits.ts';
import type { EventFrame } from '../protocol/server-frames.ts';

/** What a hub reads from the store; see src/store/live-state.ts, events.ts and drafts.ts. */
export interface HubStore {
  readLiveState(sessionId: string): Promise<{
    lastSeq: number;
    turn: { turnId: string; startedAt: number } | null;
    stream: { messageId: string; attempt: number; content: string; thought: string } | null;
    waiting: string[];
    runningTools: string[];
  } | null>;
  readEvents(range: { sessionId: string; after: number; limit: number }): Promise<EventFrame[]>;
  readDraft(messageId: string): Promise<{ attempt: number; content: string; thought: string } | null>;
}

/** A frame as it goes out, serialised once for everybody; events carry their `seq`. */
export interface Outgoing {
  json: string;
  seq?: number;
}

/** A connection that has seen everything up to the hub's `lastSeq`. */
export interface HubMember {
  deliver(frames: Outgoing[]): void;
}

export interface HubTimings {
  stalledMs: number;
  /** How long a gap in a stream waits for the draft to reach what is there. */
  healMs: number;
  healEveryMs: number;
  /** A stream without deltas for this long is compared with its draft; doubles up to `probeLastMs`. */
  probeFirstMs: number;
  probeLastMs: number;
}

export const hubTimings: HubTimings = {
  stalledMs: limits.stalledMs,
  healMs: 1_000,
  healEveryMs: 50,
  probeFirstMs: 1_000,
  probeLastMs: 8_000,
};
