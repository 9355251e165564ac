import { limits } from '../protocol/limits.ts';
import type { EventRange, StoredEvent } from '../store/events.ts';
import type { LiveState } from '../store/live-state.ts';
import type { Outgoing } from './outgoing.ts';

export type ReadEvents = (range: EventRange) => Promise<StoredEvent[]>;

/** What a hub reads from the store; see src/store/live-state.ts, events.ts and drafts.ts. */
export interface HubStore {
  readLiveState(sessionId: string): Promise<LiveState | null>;
  readEvents: ReadEvents;
  readDraft(messageId: string): Promise<{ attempt: number; content: string; thought: string } | null>;
}

/** A connection that has seen everything up to the hub's `lastSeq`. */
export interface HubMember {
  /** Whoever cannot take all of them has to {@link SessionHub.detach} itself. */
  deliver(frames: Outgoing[]): void;
  /** The hub went on past events that nobody can read any more: the member is detached and on its own. */
  passed(): void;
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
