import type { Message, SessionSnapshot, ToolCall, Turn } from './state.ts';

/** Beyond it the oldest leave the snapshot, so many at a time. */
const mostMessages = 5_000;
const mostTurns = 1_000;
const leaveTogether = 1_000;

const emptyMessage: Message = {
  id: '',
  turnId: null,
  role: 'user',
  content: '',
  thought: '',
  state: 'done',
  attempt: 0,
  attachments: [],
  toolCallIds: [],
  clientMessageId: null,
  userId: null,
  finishReason: null,
  ts: null,
};

const emptyCall: ToolCall = {
  id: '',
  messageId: null,
  turnId: null,
  tool: '',
  arguments: null,
  originalArguments: null,
  gate: 'ask',
  rule: null,
  reason: '',
  status: 'proposed',
  approval: null,
  decision: null,
  attempt: 0,
  progress: null,
  result: null,
  error: null,
  lateResults: [],
};

const emptyTurn: Turn = { id: '', status: 'queued', error: null, usage: null, debug: null };

export function messageOf(view: SessionSnapshot, id: string): Message | undefined {
  return view.messages.findLast((message) => message.id === id);
}

/** Puts a message behind the others of its turn: a message that waits stands after the answer before it. */
export function addMessage(
  view: SessionSnapshot,
  message: Pick<Message, 'id'> & Partial<Message>,
): SessionSnapshot {
  if (messageOf(view, message.id)) return changeMessage(view, message.id, message);
  const added = { ...emptyMessage, ...message };
  const { messages } = view;
  const last = added.turnId === null ? -1 : messages.findLastIndex((one) => one.turnId === added.turnId);
  const next = last < 0 ? [...messages, added] : messages.toSpliced(last + 1, 0, added);
  return next.length > mostMessages
    ? withoutOldest({ ...view, messages: next })
    : { ...view, messages: next };
}

function withoutOldest(view: SessionSnapshot): SessionSnapshot {
  const left = new Set(view.messages.slice(0, leaveTogether).flatMap((message) => message.toolCallIds));
  const calls = Object.entries(view.toolCalls).filter(([id]) => !left.has(id));
  return {
    ...view,
    messages: view.messages.slice(leaveTogether),
    toolCalls: Object.fromEntries(calls),
    olderCursor: null,
  };
}

export function changeMessage(view: SessionSnapshot, id: string, change: Partial<Message>): SessionSnapshot {
  const index = view.messages.findLastIndex((message) => message.id === id);
  const message = view.messages[index];
  if (!message) return view;
  const changed = { ...message, ...change };
  if (changed.turnId === message.turnId) {
    return { ...view, messages: view.messages.toSpliced(index, 1, changed) };
  }
  // A snapshot can tell of a message before its event says which turn it belongs to.
  return addMessage({ ...view, messages: view.messages.toSpliced(index, 1) }, changed);
}

export function putCall(view: SessionSnapshot, id: string, change: Partial<ToolCall>): SessionSnapshot {
  const call = { ...(view.toolCalls[id] ?? emptyCall), ...change, id };
  return { ...view, toolCalls: { ...view.toolCalls, [id]: call } };
}

export function putTurn(view: SessionSnapshot, id: string, change: Partial<Turn>): SessionSnapshot {
  const index = view.turns.findIndex((turn) => turn.id === id);
  const turn = { ...(view.turns[index] ?? emptyTurn), ...change, id };
  const turns = index < 0 ? [...view.turns.slice(-mostTurns), turn] : view.turns.toSpliced(index, 1, turn);
  return { ...view, turns };
}
