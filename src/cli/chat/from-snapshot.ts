import type { Message, SessionSnapshot, ToolCall, Turn } from '../../client/index.ts';
import { type Conversation, type PendingApproval, startConversation } from './conversation.ts';
import { type LogItem, resultText } from './log-item.ts';
import type { OpenTurn } from './turn-log.ts';

/** The conversation as a session has it now: what is over is printed, what waits its turn is held. */
export function conversationOf(view: SessionSnapshot): Conversation {
  const older: LogItem[] =
    view.olderCursor === null ? [] : [{ kind: 'notice', text: 'Older messages are not shown.' }];
  const open = view.turns.filter(isOpen).map((turn) => turn.id);
  const waiting = new Set(open.slice(1));
  const itemsOfTurn = (isHeld: (turnId: string | null) => boolean) =>
    view.messages.filter((message) => isHeld(message.turnId)).flatMap((message) => itemsOf(view, message));
  const printed = itemsOfTurn((turnId) => turnId === null || !waiting.has(turnId));
  const turns = open.map(
    (turnId, index): OpenTurn => ({
      turnId,
      held: index === 0 ? [] : itemsOfTurn((other) => other === turnId),
    }),
  );
  const calls = Object.values(view.toolCalls).filter((call) => open.includes(call.turnId ?? ''));
  return {
    ...startConversation(view.sessionId, [...older, ...printed]),
    turns,
    calls: new Map(calls.filter(isUnderWay).map((call) => [call.id, openCallOf(call)])),
    approvals: calls.flatMap(approvalOf).sort((one, other) => one.askedAt - other.askedAt),
  };
}

function isOpen(turn: Turn): boolean {
  return turn.status === 'queued' || turn.status === 'running';
}

function isUnderWay({ status }: ToolCall): boolean {
  return ['proposed', 'waiting_approval', 'approved', 'running'].includes(status);
}

function openCallOf({ turnId, tool, arguments: args }: ToolCall) {
  return { turnId: turnId ?? undefined, tool, arguments: args, progress: '' };
}

function approvalOf(call: ToolCall): PendingApproval[] {
  if (!call.approval) return [];
  const { id: toolCallId, tool, arguments: args, turnId } = call;
  const { argumentsHash, reason, expiresAt, askedAt } = call.approval;
  const asked = { toolCallId, tool, arguments: args, argumentsHash, reason, expiresAt, askedAt };
  return [{ ...asked, turnId: turnId ?? undefined }];
}

function itemsOf(view: SessionSnapshot, message: Message): LogItem[] {
  const { content: text, thought } = message;
  if (message.role === 'user') return [{ kind: 'user', text }];
  if (message.state === 'streaming') return [];
  const calls = message.toolCallIds.flatMap((id) => view.toolCalls[id] ?? []);
  const said: LogItem[] = text === '' && thought === '' ? [] : [{ kind: 'assistant', text, thought }];
  return [...said, ...calls.map(proposalOf), ...calls.flatMap(outcomesOf)];
}

function proposalOf(call: ToolCall): LogItem {
  const { tool, arguments: args, gate, rule, reason } = call;
  return { kind: 'tool_call', tool, arguments: args, gate, reason, ...(rule === null ? {} : { rule }) };
}

/** A decision, where one is known, and a result, unless the gate or the decision says it all. */
function outcomesOf(call: ToolCall): LogItem[] {
  const { tool, arguments: args, status, decision } = call;
  const items: LogItem[] = [];
  if (decision) {
    const { decision: outcome, by, reason } = decision;
    const why = reason === undefined ? {} : { reason };
    items.push({ kind: 'decision', tool, arguments: args, outcome, by, ...why });
  }
  switch (status) {
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'unknown': {
      const text = call.error?.message ?? resultText(call.result);
      items.push({ kind: 'tool_result', tool, arguments: args, status, text });
      break;
    }
    case 'rejected':
      if (!decision)
        items.push({ kind: 'tool_result', tool, arguments: args, status, text: resultText(call.result) });
  }
  return items;
}
