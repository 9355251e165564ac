import type { ErrorBody } from '../protocol/errors.ts';
import type {
  AttachmentRef,
  Participant,
  SessionState,
  TurnEndStatus,
  Usage,
} from '../protocol/frame-parts.ts';
import type { AgentState, PresenceFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import type { ResolvedInput, ToolCall } from './gate-state.ts';

export type * from './gate-state.ts';

type Event<T extends EventFrame['type']> = Extract<EventFrame, { type: T }>;

/** How the connection is. Times are milliseconds since 1970. */
export type ConnectionState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open' }
  | { readonly kind: 'waiting'; readonly why: string; readonly until: number }
  /** It does not come back by itself. */
  | { readonly kind: 'stopped'; readonly why: string; readonly code: StopCode };

/** `closed`: by `close()`; `replaced`: a newer connection took its place; `refused`: the gateway says the request is wrong. */
export type StopCode = 'closed' | 'replaced' | 'unauthorized' | 'forbidden' | 'not_found' | 'refused';

export interface Message {
  readonly id: string;
  readonly turnId: string | null;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** The model's reasoning, where it gave any. */
  readonly thought: string;
  readonly state: 'streaming' | 'done';
  /** Which attempt says it; 0 where nobody streams. */
  readonly attempt: number;
  readonly attachments: readonly AttachmentRef[];
  /** In the order in which the model asked for them; look them up in `toolCalls`. */
  readonly toolCallIds: readonly string[];
  readonly clientMessageId: string | null;
  readonly userId: string | null;
  readonly finishReason: string | null;
  readonly ts: number | null;
}

export interface Turn {
  readonly id: string;
  readonly status: 'queued' | 'running' | TurnEndStatus;
  readonly error: ErrorBody | null;
  readonly usage: Usage | null;
  readonly debug: Event<'turn_end'>['debug'] | null;
}

/** What the agent does now, as the gateway last said it. */
export interface Agent {
  readonly status: AgentState;
  readonly turnId: string | null;
  readonly attempt: number | null;
  readonly toolCallId: string | null;
  readonly elapsedMs: number | null;
}

/** What was sent and has not shown its effect: `sending` until it is acked, then `accepted` until its event is here. */
export type QueuedItem = { readonly id: string; readonly status: 'sending' | 'accepted' } & (
  | { readonly kind: 'message'; readonly content: string }
  | {
      readonly kind: 'decision';
      readonly toolCallId: string;
      readonly approved: boolean;
      /** Which asking it answers; null where none was shown. */
      readonly round: number | null;
    }
  | { readonly kind: 'answer'; readonly requestId: string }
  | { readonly kind: 'cancel' }
);

/** All that a user interface shows of a session. Immutable: a change is a new object, and what did not change is the same. */
export interface SessionSnapshot {
  readonly sessionId: string;
  readonly connection: ConnectionState;
  /** Whether the history is here. */
  readonly isLoaded: boolean;
  /** Every event up to here is in this snapshot. */
  readonly lastSeq: number;
  readonly user: { readonly id: string; readonly email: string | null; readonly name: string | null } | null;
  readonly title: string | null;
  readonly state: SessionState | null;
  readonly participants: readonly Participant[];
  /** In the order of the conversation: by turn, then as said. */
  readonly messages: readonly Message[];
  readonly toolCalls: Readonly<Record<string, ToolCall>>;
  /** In the order in which they run; those of older history are not here. */
  readonly turns: readonly Turn[];
  /** Questions that wait for an answer, oldest first. */
  readonly inputs: readonly Event<'input_request'>[];
  /** Those that are over; the newest of them, oldest first. */
  readonly resolvedInputs: readonly ResolvedInput[];
  /** null until the gateway says it. */
  readonly agent: Agent | null;
  /** Which tool was chosen and why, as last said in the running turn. */
  readonly agentThought: string | null;
  readonly presence: PresenceFrame['users'];
  /** Ids of users who are writing. */
  readonly typing: readonly string[];
  /** The newest of them, oldest first. */
  readonly externalEvents: readonly Event<'external_event'>[];
  readonly queue: readonly QueuedItem[];
  /** Where older messages are read; null: there are none. */
  readonly olderCursor: string | null;
}

export function emptySnapshot(sessionId: string, lastSeq = 0): SessionSnapshot {
  return {
    sessionId,
    connection: { kind: 'connecting' },
    isLoaded: false,
    lastSeq,
    user: null,
    title: null,
    state: null,
    participants: [],
    messages: [],
    toolCalls: {},
    turns: [],
    inputs: [],
    resolvedInputs: [],
    agent: null,
    agentThought: null,
    presence: [],
    typing: [],
    externalEvents: [],
    queue: [],
    olderCursor: null,
  };
}

/** Tool calls that wait for a decision of mine, as far as the session says, and have none on its way; oldest first. */
export function undecided(at: SessionSnapshot): readonly ToolCall[] {
  return Object.values(at.toolCalls)
    .filter((call) => waitsForMe(at, call) && !isDeciding(at, call))
    .sort((one, other) => (one.approval?.askedAt ?? 0) - (other.approval?.askedAt ?? 0));
}

/** Whether a decision on a call, as it is asked now, is on its way. */
export function isDeciding({ queue }: Pick<SessionSnapshot, 'queue'>, { id, approval }: ToolCall): boolean {
  return queue.some(
    (item) => item.kind === 'decision' && item.toolCallId === id && item.round === (approval?.round ?? null),
  );
}

/** Whether a call waits, I am among those who may decide it, and I have not approved it yet. */
export function waitsForMe(
  { user }: Pick<SessionSnapshot, 'user'>,
  { approval }: Pick<ToolCall, 'approval'>,
): boolean {
  if (!approval) return false;
  // Not connected yet: nobody knows who I am.
  if (!user) return true;
  const { approvers, approvals } = approval;
  return approvers.includes(user.id) && !approvals.some(({ by }) => by === user.id);
}

/** The turn that runs, or the first that waits to. */
export function openTurn(at: SessionSnapshot): Turn | undefined {
  return (
    at.turns.find((turn) => turn.status === 'running') ?? at.turns.find((turn) => turn.status === 'queued')
  );
}
