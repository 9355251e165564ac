import type { Message, SessionSnapshot, ToolCall, Turn } from '../../client/index.ts';
import { type Question, waitingOf } from './asked.ts';
import { type Conversation, numbered, startConversation } from './conversation.ts';
import { type Called, type LogItem, resultText } from './log-item.ts';
import type { OpenTurn } from './turn-log.ts';

/** The conversation as a session has it now: what is over is printed, what waits its turn is held. */
export function conversationOf(view: SessionSnapshot): Conversation {
  const older: LogItem[] =
    view.olderCursor === null ? [] : [{ kind: 'notice', text: 'Older messages are not shown.' }];
  const open = view.turns.filter(isOpen).map((turn) => turn.id);
  const waiting = new Set(open.slice(1));
  const numbers = numbersIn(view);
  const itemsOfTurn = (isHeld: (turnId: string | null) => boolean) =>
    view.messages
      .filter((message) => isHeld(message.turnId))
      .flatMap((message) => itemsOf(view, message, numbers));
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
    numbers,
    calls: new Map(calls.filter(isUnderWay).map((call) => [call.id, openCallOf(call)])),
    waiting: waitingOf(view),
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

type Numbers = Conversation['numbers'];

function numbersIn(view: SessionSnapshot): Numbers {
  const calls = view.messages.flatMap(({ toolCallIds }) =>
    toolCallIds.flatMap((id) => view.toolCalls[id] ?? []),
  );
  return calls
    .filter(({ gate, approval }) => gate === 'ask' || approval !== null)
    .reduce<Numbers>((numbers, { id }) => numbered(numbers, id), new Map());
}

function calledOf({ id, tool }: ToolCall, args: unknown, numbers: Numbers): Called {
  const number = numbers.get(id);
  return { tool, arguments: args, ...(number === undefined ? {} : { number }) };
}

function itemsOf(view: SessionSnapshot, message: Message, numbers: Numbers): LogItem[] {
  const { content: text, thought } = message;
  if (message.role === 'user') return [{ kind: 'user', text }];
  if (message.state === 'streaming') return [];
  const calls = message.toolCallIds.flatMap((id) => view.toolCalls[id] ?? []);
  const said: LogItem[] = text === '' && thought === '' ? [] : [{ kind: 'assistant', text, thought }];
  const questions = questionsOf(view, message, calls);
  const proposals = calls.map((call) => proposalOf(call, numbers));
  return [...said, ...proposals, ...calls.flatMap((call) => outcomesOf(call, numbers)), ...questions];
}

function proposalOf(call: ToolCall, numbers: Numbers): LogItem {
  const { gate, rule, reason } = call;
  const called = calledOf(call, call.originalArguments ?? call.arguments, numbers);
  return { kind: 'tool_call', ...called, gate, reason, ...(rule === null ? {} : { rule }) };
}

/** Questions about these calls; after the last message of a turn, also those that are about none. */
function questionsOf(view: SessionSnapshot, message: Message, calls: readonly ToolCall[]): LogItem[] {
  const isLast = view.messages.findLast(({ turnId }) => turnId === message.turnId) === message;
  const isHere = ({ tool_call_id: id, turn_id: turnId }: Question) =>
    id === undefined ? isLast && turnId === message.turnId : calls.some((call) => call.id === id);
  const over = view.resolvedInputs.flatMap(({ request, action, by, content }): LogItem[] =>
    isHere(request)
      ? [
          { kind: 'question', message: request.message },
          { kind: 'answer', action, by, content },
        ]
      : [],
  );
  const open = view.inputs
    .filter(isHere)
    .map(({ message: words }): LogItem => ({ kind: 'question', message: words }));
  return [...over, ...open];
}

/** A decision, where one is known, and a result, unless the gate or the decision says it all. */
function outcomesOf(call: ToolCall, numbers: Numbers): LogItem[] {
  const { arguments: args, originalArguments, status, decision, approval, lateResults } = call;
  const called = calledOf(call, args, numbers);
  const items: LogItem[] = [];
  if (decision) {
    const { decision: outcome, by, reason, remember } = decision;
    const why = {
      ...(reason === undefined ? {} : { reason }),
      ...(remember === undefined ? {} : { remember }),
    };
    const edited = originalArguments === null ? {} : { edited: args };
    items.push({
      kind: 'decision',
      ...calledOf(call, originalArguments ?? args, numbers),
      outcome,
      by,
      ...why,
      ...edited,
    });
  }
  if (approval?.because)
    items.push({
      kind: 'asked_again',
      ...called,
      because: approval.because,
      reason: approval.reason,
    });
  switch (status) {
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'unknown': {
      const text = call.error?.message ?? resultText(call.result);
      items.push({ kind: 'tool_result', ...called, status, text });
      break;
    }
    case 'rejected':
      if (!decision) items.push({ kind: 'tool_result', ...called, status, text: resultText(call.result) });
  }
  for (const late of lateResults) {
    const text = late.error?.message ?? resultText(late.result);
    items.push({ kind: 'late_result', ...called, status: late.status, text });
  }
  return items;
}
