import type { ChatMessage } from './chat-request.ts';

export interface FinishedCall {
  /** The function's name as it was offered. */
  name: string;
  arguments: Record<string, unknown>;
  /** The words of its tool message. */
  result: string;
}

export interface TurnSoFar {
  /** What the user said last; '' where nobody said anything. */
  asked: string;
  /** What the user said before that, oldest first. */
  askedBefore: string[];
  /** The tool calls made since, in order, each with its result. */
  calls: FinishedCall[];
}

/** The conversation as the demo model sees it. */
export function readTurn(messages: ChatMessage[]): TurnSoFar {
  const users = messages.flatMap((message) => (message.role === 'user' ? [message.content] : []));
  const since = messages.slice(messages.findLastIndex((message) => message.role === 'user') + 1);
  const results = new Map(
    since.flatMap((message) =>
      message.role === 'tool' ? [[message.tool_call_id, message.content] as const] : [],
    ),
  );
  const calls = since.flatMap((message) =>
    message.role === 'assistant'
      ? (message.tool_calls ?? []).map((call) => ({
          name: call.function.name,
          arguments: parseObject(call.function.arguments),
          result: results.get(call.id) ?? '',
        }))
      : [],
  );
  return { asked: users.at(-1) ?? '', askedBefore: users.slice(0, -1), calls };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? { ...value } : {};
  } catch {
    return {};
  }
}
