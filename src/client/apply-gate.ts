import type { EventFrame } from '../protocol/server-frames.ts';
import type { GateRules } from './gate-rules.ts';
import type { ApprovalRequest } from './gate-state.ts';
import { changeMessage, messageOf, putCall } from './parts.ts';
import type { SessionSnapshot, ToolCall } from './state.ts';

type Event<T extends EventFrame['type']> = Extract<EventFrame, { type: T }>;
type GateEvent = Extract<EventFrame, { tool_call_id: string }> | Event<'input_resolved'>;

/** The newest that are kept. */
const keptResolved = 50;

/** What an event says of a tool call, of its gate, or of a question. */
export function applyGate(
  view: SessionSnapshot,
  event: GateEvent | Event<'input_request'>,
  rules: GateRules,
): SessionSnapshot {
  switch (event.type) {
    case 'tool_call':
      return proposeCall(view, event);
    case 'tool_approval_request':
      return askApproval(view, event, rules);
    case 'tool_approval_reminder': {
      const { number: reminders, expires_at: expiresAt, approvers } = event;
      return changeApproval(view, event, () => ({ reminders, expiresAt, approvers }));
    }
    case 'tool_approval_vote': {
      const { tool_call_id: toolCallId, by, at } = event;
      // Mine has had its effect; others may still be waited for.
      const voted = by === view.user?.id ? withoutDecision(view, toolCallId) : view;
      return changeApproval(voted, event, ({ approvals }) => ({
        approvals: rules.vote(approvals, { by, at }),
      }));
    }
    case 'tool_approval_resolved':
      return resolveApproval(view, event);
    case 'tool_started':
      return changeCall(view, event, { status: 'running', attempt: event.attempt, progress: null });
    case 'tool_result': {
      const { status, result, error } = event;
      return changeCall(view, event, { status, result, error, approval: null, progress: null });
    }
    case 'tool_late_result': {
      const { attempt, status, result, error, ts: at } = event;
      const known = view.toolCalls[event.tool_call_id]?.lateResults ?? [];
      const lateResults = rules.late(known, { attempt, status, result, error, at });
      return changeCall(view, event, { lateResults });
    }
    case 'input_request':
      return { ...view, inputs: [...withoutInput(view, event.request_id), event] };
    case 'input_resolved':
      return resolveInput(view, event);
  }
}

/** What is asked, as the wire says it. */
export function requestOf(
  event: Pick<
    Event<'tool_approval_request'>,
    | 'arguments_hash'
    | 'tool_hash'
    | 'rule'
    | 'reason'
    | 'expires_at'
    | 'approvers'
    | 'needed'
    | 'round'
    | 'level'
    | 'because'
  > & { ts: number },
): ApprovalRequest {
  return {
    argumentsHash: event.arguments_hash,
    toolHash: event.tool_hash ?? null,
    rule: event.rule ?? null,
    reason: event.reason,
    expiresAt: event.expires_at,
    approvers: event.approvers,
    needed: event.needed,
    approvals: [],
    round: event.round ?? 1,
    level: event.level ?? 0,
    because: event.because ?? null,
    reminders: 0,
    askedAt: event.ts,
  };
}

function proposeCall(view: SessionSnapshot, event: Event<'tool_call'>): SessionSnapshot {
  const { tool_call_id: id, message_id: messageId, turn_id: turnId = null, tool, gate, rule, reason } = event;
  const call = { messageId, turnId, tool, arguments: event.arguments, gate, rule, reason };
  const message = messageOf(view, messageId);
  const known = message?.toolCallIds ?? [];
  const listed = known.includes(id) ? view : changeMessage(view, messageId, { toolCallIds: [...known, id] });
  return putCall(listed, id, call);
}

function askApproval(
  view: SessionSnapshot,
  event: Event<'tool_approval_request'>,
  rules: GateRules,
): SessionSnapshot {
  const known = view.toolCalls[event.tool_call_id];
  const original =
    known?.originalArguments ?? (event.because === 'edited' ? (known?.arguments ?? null) : null);
  const approval = rules.ask(known?.approval ?? null, requestOf(event));
  // What was taken had its effect: that it is asked again.
  const queue = view.queue.filter(
    (item) =>
      item.kind !== 'decision' ||
      item.toolCallId !== event.tool_call_id ||
      item.status !== 'accepted' ||
      item.round === approval.round,
  );
  return changeCall({ ...view, queue }, event, {
    approval,
    status: 'waiting_approval',
    decision: null,
    arguments: event.arguments,
    originalArguments: original,
  });
}

function changeApproval(
  view: SessionSnapshot,
  event: { tool_call_id: string },
  change: (known: ApprovalRequest) => Partial<ApprovalRequest>,
): SessionSnapshot {
  const approval = view.toolCalls[event.tool_call_id]?.approval;
  // Who begins in the middle of a turn has not heard of the request.
  return approval
    ? putCall(view, event.tool_call_id, { approval: { ...approval, ...change(approval) } })
    : view;
}

function changeCall(
  view: SessionSnapshot,
  event: { tool_call_id: string; turn_id?: string | undefined; tool?: string },
  change: Partial<ToolCall>,
): SessionSnapshot {
  const isKnown = view.toolCalls[event.tool_call_id] !== undefined;
  // Who begins in the middle of a turn has not heard of the call itself.
  const first = isKnown ? {} : { turnId: event.turn_id ?? null, tool: event.tool ?? '' };
  return putCall(view, event.tool_call_id, { ...first, ...change });
}

function resolveApproval(view: SessionSnapshot, event: Event<'tool_approval_resolved'>): SessionSnapshot {
  const { tool_call_id: toolCallId, decision, by, at, reason, remember } = event;
  const status = decision === 'approved' ? 'approved' : decision === 'withdrawn' ? 'cancelled' : 'rejected';
  const why = reason === undefined ? {} : { reason };
  const made = { decision, by, at, ...why, ...(remember === undefined ? {} : { remember }) };
  const known = view.toolCalls[toolCallId];
  const original = event.original_arguments ?? known?.originalArguments ?? known?.arguments ?? null;
  const edited =
    event.arguments === undefined ? {} : { arguments: event.arguments, originalArguments: original };
  const decided = { status, approval: null, decision: made, ...edited } as const;
  return changeCall(withoutDecision(view, toolCallId), event, decided);
}

function resolveInput(view: SessionSnapshot, event: Event<'input_resolved'>): SessionSnapshot {
  const { request_id: requestId, action, by, content, at = event.ts } = event;
  const queue = view.queue.filter((item) => item.kind !== 'answer' || item.requestId !== requestId);
  const request = view.inputs.find((input) => input.request_id === requestId);
  const resolved = request
    ? [{ request, action, by, at, ...(content === undefined ? {} : { content }) }]
    : [];
  return {
    ...view,
    queue,
    inputs: withoutInput(view, requestId),
    resolvedInputs: [...view.resolvedInputs, ...resolved].slice(-keptResolved),
  };
}

function withoutDecision(view: SessionSnapshot, toolCallId: string): SessionSnapshot {
  const queue = view.queue.filter((item) => item.kind !== 'decision' || item.toolCallId !== toolCallId);
  return queue.length === view.queue.length ? view : { ...view, queue };
}

function withoutInput(view: SessionSnapshot, requestId: string) {
  return view.inputs.filter((input) => input.request_id !== requestId);
}
