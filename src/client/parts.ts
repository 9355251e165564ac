import type { Message, SessionSnapshot, ToolCall, Turn } from './state.ts';

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
  if (last < 0) return { ...view, messages: [...messages, added] };
  return { ...view, messages: messages.toSpliced(last + 1, 0, added) };
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
  const turns = index < 0 ? [...view.turns, turn] : view.turns.toSpliced(index, 1, turn);
  return { ...view, turns };
}
