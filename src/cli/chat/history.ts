import type { MessageView } from '../../protocol/http.ts';
import { type EventFrame, toolResultStatus } from '../../protocol/server-frames.ts';
import { type Conversation, reduce, startConversation } from './conversation.ts';
import { type HttpApi, pageItems } from './http-api.ts';
import type { LogItem } from './log-item.ts';

/**
 * The session as it is now: what is over from its messages; turns that may still be open from their events, by the
 * same reducer that follows the socket, so that a gate that waits is found as exactly as if one had been there.
 * @returns the conversation, and the `seq` up to which it goes
 */
export async function loadHistory(
  api: HttpApi,
  sessionId: string,
): Promise<{ conversation: Conversation; lastSeq: number }> {
  const page = await api.messages(sessionId);
  const unanswered = unansweredTurns(page.messages);
  const over = page.messages.filter((message) => !unanswered.has(message.turn_id));
  const older: LogItem[] =
    page.next === null ? [] : [{ kind: 'notice', text: 'Older messages are not shown.' }];
  const events = await eventsOf(api, sessionId, unanswered, page.last_seq);
  const conversation = events.reduce(
    (at, frame) => reduce(at, { kind: 'frame', frame, now: frame.ts }),
    startConversation(sessionId, [...older, ...itemsOf(over)]),
  );
  // What the agent does is for the socket to say.
  return { conversation: { ...conversation, agent: null }, lastSeq: page.last_seq };
}

/** Turns after the last one that has its final answer. Turns run in order, so all that came before it are over. */
function unansweredTurns(messages: readonly MessageView[]): Set<string> {
  const isFinal = (message: MessageView) => message.role === 'assistant' && !message.tool_calls?.length;
  const answered = messages.findLast(isFinal)?.turn_id;
  const last = messages.findLastIndex((message) => message.turn_id === answered);
  return new Set(messages.slice(last + 1).map((message) => message.turn_id));
}

/** Walks back from the end until the first of these turns begins. */
async function eventsOf(
  api: HttpApi,
  sessionId: string,
  turnIds: ReadonlySet<string>,
  lastSeq: number,
): Promise<EventFrame[]> {
  const [first] = turnIds;
  if (first === undefined) return [];
  const isBeginning = (event: EventFrame) => event.type === 'message_saved' && event.turn_id === first;
  let found: EventFrame[] = [];
  for (let upTo = lastSeq; upTo > 0 && !found.some(isBeginning); upTo -= pageItems) {
    const page = await api.events(sessionId, Math.max(0, upTo - pageItems));
    found = [...page.filter((event) => event.seq <= upTo), ...found];
  }
  return found.filter((event) => event.turn_id !== undefined && turnIds.has(event.turn_id));
}

function itemsOf(messages: readonly MessageView[]): LogItem[] {
  const tools = new Map(
    messages.flatMap((message) => message.tool_calls ?? []).map((call) => [call.tool_call_id, call] as const),
  );
  return messages.flatMap((message): LogItem[] => {
    const { content: text, thought = '' } = message;
    if (message.role === 'user') return [{ kind: 'user', text }];
    if (message.role === 'tool') {
      const call = tools.get(message.tool_call_id ?? '');
      const status = toolResultStatus.safeParse(call?.status);
      if (call?.gate === 'deny') return [];
      const known = status.success ? status.data : 'unknown';
      return [
        {
          kind: 'tool_result',
          tool: call?.tool ?? 'a tool',
          arguments: call?.arguments,
          status: known,
          text,
        },
      ];
    }
    const said: LogItem[] = text === '' && thought === '' ? [] : [{ kind: 'assistant', text, thought }];
    const calls = (message.tool_calls ?? []).map((call): LogItem => {
      const { tool, arguments: args, gate, reason } = call;
      return { kind: 'tool_call', tool, arguments: args, gate, reason };
    });
    return [...said, ...calls];
  });
}
