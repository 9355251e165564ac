import type { OpenAI } from 'openai';
import type { ModelMessage, ModelRequest, ModelToolCall } from './port.ts';

type Params = OpenAI.Chat.ChatCompletionCreateParamsStreaming;
type Message = OpenAI.Chat.ChatCompletionMessageParam;

/** One request in the words of the chat-completions API. */
export function toChatParams(request: ModelRequest): Params {
  const tools = request.tools.map((tool) => ({ type: 'function' as const, function: tool }));
  return {
    model: request.model,
    messages: request.messages.map(toMessage),
    stream: true,
    stream_options: { include_usage: true },
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    // `max_tokens`, as it was called before, is refused by newer models.
    ...(request.maxOutputTokens === undefined ? {} : { max_completion_tokens: request.maxOutputTokens }),
    // An empty list is refused by several servers.
    ...(tools.length > 0 ? { tools } : {}),
  };
}

function toMessage(message: ModelMessage): Message {
  if (message.role === 'tool') {
    return { role: 'tool', tool_call_id: message.toolCallId, content: message.content };
  }
  if (message.role === 'system') return { role: 'system', content: message.content };
  if (message.role === 'user') return toUserMessage(message);
  if (message.toolCalls.length === 0) return { role: 'assistant', content: message.content };
  return {
    role: 'assistant',
    content: message.content === '' ? null : message.content,
    tool_calls: message.toolCalls.map(toToolCall),
  };
}

/** Without attachments a plain string, because not every server reads parts. */
function toUserMessage({ content, parts }: Extract<ModelMessage, { role: 'user' }>): Message {
  if (parts.length === 0) return { role: 'user', content };
  const attached = parts.map((part) =>
    part.kind === 'text'
      ? { type: 'text' as const, text: part.text }
      : { type: 'image_url' as const, image_url: { url: `data:${part.mediaType};base64,${part.base64}` } },
  );
  return { role: 'user', content: [{ type: 'text', text: content }, ...attached] };
}

function toToolCall(call: ModelToolCall): OpenAI.Chat.ChatCompletionMessageToolCall {
  return {
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: validJson(call.arguments) },
  };
}

/** Many servers parse the arguments of past calls and refuse the conversation for ever if one is broken. */
function validJson(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? text : '{}';
  } catch {
    return '{}';
  }
}
