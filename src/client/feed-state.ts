import type { ApprovalView } from '../protocol/approvals.ts';
import type { FeedFrame } from '../protocol/feed-frames.ts';
import type { InputView } from '../protocol/inputs.ts';
import { requestOf } from './apply-gate.ts';
import { gateRules } from './gate-rules.ts';
import type { ApprovalRequest, ConnectionState, Json } from './state.ts';

type Item<T extends FeedFrame['type']> = Extract<FeedFrame, { type: T }>;

/** A tool call that waits for a decision of mine. Times are milliseconds since 1970. */
export interface WaitingApproval extends Omit<ApprovalRequest, 'expiresAt'> {
  readonly toolCallId: string;
  readonly sessionId: string;
  readonly turnId: string | null;
  readonly tool: string;
  readonly arguments: Json;
  readonly expiresAt: number | null;
}

/** A question that waits for an answer of mine. Times are milliseconds since 1970. */
export interface WaitingInput {
  readonly requestId: string;
  readonly sessionId: string;
  readonly turnId: string | null;
  readonly toolCallId: string | null;
  readonly kind: InputView['kind'];
  readonly message: string;
  /** JSON Schema of the content of an answer that accepts. */
  readonly schema: Json;
  readonly askedAt: number;
  readonly expiresAt: number | null;
}

/** What the feed has come to. Immutable, as the snapshot of a session. */
export interface FeedSnapshot {
  readonly connection: ConnectionState;
  readonly isLoaded: boolean;
  readonly lastSeq: number;
  /** Oldest first. */
  readonly approvals: readonly WaitingApproval[];
  /** Oldest first. */
  readonly inputs: readonly WaitingInput[];
  /** The last change of each session, the one that changed last at the end; `removed`: it is none of mine any more. */
  readonly changes: readonly Item<'session_updated'>[];
}

const keptChanges = 200;

export function emptyFeed(lastSeq = 0): FeedSnapshot {
  const connection = { kind: 'connecting' } as const;
  return { connection, isLoaded: false, lastSeq, approvals: [], inputs: [], changes: [] };
}

/** What waits, as it was read when the feed was at `lastSeq` or later. */
export function fromInbox(
  before: FeedSnapshot,
  waiting: { approvals: readonly ApprovalView[]; inputs: readonly InputView[] },
  lastSeq: number,
): FeedSnapshot {
  const approvals = waiting.approvals.map(
    (view): WaitingApproval => ({
      // What a gateway leaves out is said by the next event.
      ...requestOf({ approvers: [], ...view, expires_at: 0, ts: view.requested_at }),
      expiresAt: view.expires_at,
      toolCallId: view.tool_call_id,
      sessionId: view.session_id,
      turnId: view.turn_id,
      tool: view.tool,
      arguments: view.arguments,
    }),
  );
  const inputs = waiting.inputs.map((view): WaitingInput => {
    const { request_id, session_id, turn_id, tool_call_id, kind, message, schema, requested_at, expires_at } =
      view;
    return {
      ...{ requestId: request_id, sessionId: session_id, turnId: turn_id, toolCallId: tool_call_id },
      ...{ kind, message, schema, askedAt: requested_at, expiresAt: expires_at },
    };
  });
  return { ...before, isLoaded: true, lastSeq, approvals: approvals.reverse(), inputs: inputs.reverse() };
}

/** Pure. Applies the next item. */
export function applyFeed(before: FeedSnapshot, item: FeedFrame): FeedSnapshot {
  const at = { ...before, lastSeq: item.seq };
  switch (item.type) {
    case 'tool_approval_request': {
      const known = at.approvals.find((one) => one.toolCallId === item.tool_call_id) ?? null;
      const asked: WaitingApproval = {
        ...gateRules.ask(known, requestOf(item)),
        toolCallId: item.tool_call_id,
        sessionId: item.session_id,
        turnId: item.turn_id ?? null,
        tool: item.tool,
        arguments: item.arguments,
      };
      return { ...at, approvals: [...withoutCall(at, item.tool_call_id), asked] };
    }
    case 'tool_approval_vote':
      return changeCall(at, item, (known) => ({
        approvals: gateRules.vote(known.approvals, { by: item.by, at: item.at }),
      }));
    case 'tool_approval_reminder': {
      const { number: reminders, expires_at: expiresAt, approvers } = item;
      return changeCall(at, item, () => ({ reminders, expiresAt, approvers }));
    }
    case 'tool_approval_resolved':
      return { ...at, approvals: withoutCall(at, item.tool_call_id) };
    case 'input_request':
      return { ...at, inputs: [...withoutInput(at, item.request_id), waitingInput(item)] };
    case 'input_resolved':
      return { ...at, inputs: withoutInput(at, item.request_id) };
    case 'session_updated':
      return changeSession(at, item);
    default:
      // A newer gateway may say what this client does not know.
      return at;
  }
}

function waitingInput(item: Item<'input_request'>): WaitingInput {
  const { request_id: requestId, session_id: sessionId, kind, message, schema, ts: askedAt } = item;
  return {
    ...{ requestId, sessionId, kind, message, schema, askedAt },
    turnId: item.turn_id ?? null,
    toolCallId: item.tool_call_id ?? null,
    expiresAt: item.expires_at ?? null,
  };
}

function changeSession(at: FeedSnapshot, item: Item<'session_updated'>): FeedSnapshot {
  const others = at.changes.filter((change) => change.session_id !== item.session_id);
  const before = at.changes.find((change) => change.session_id === item.session_id);
  const changes = [...others, { ...before, ...item }].slice(-keptChanges);
  if (!item.removed) return { ...at, changes };
  const isOther = (one: { sessionId: string }) => one.sessionId !== item.session_id;
  return { ...at, changes, inputs: at.inputs.filter(isOther), approvals: at.approvals.filter(isOther) };
}

function changeCall(
  at: FeedSnapshot,
  { tool_call_id: id }: { tool_call_id: string },
  change: (known: WaitingApproval) => Partial<WaitingApproval>,
): FeedSnapshot {
  const approvals = at.approvals.map((one) => (one.toolCallId === id ? { ...one, ...change(one) } : one));
  return { ...at, approvals };
}

function withoutCall(at: FeedSnapshot, toolCallId: string) {
  return at.approvals.filter((approval) => approval.toolCallId !== toolCallId);
}

function withoutInput(at: FeedSnapshot, requestId: string) {
  return at.inputs.filter((input) => input.requestId !== requestId);
}
