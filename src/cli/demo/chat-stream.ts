import type { ServerResponse } from 'node:http';

export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'content_filter';

export interface ChatDelta {
  role?: 'assistant';
  content?: string;
  reasoning_content?: string;
  tool_calls?: {
    index: number;
    id?: string;
    type?: 'function';
    function: { name?: string; arguments: string };
  }[];
}

export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** Writes one answer as chat-completion chunks over server-sent events. */
export interface ChatStream {
  delta(delta: ChatDelta): void;
  /** The last chunks: the reason, the usage where it was asked for, and `[DONE]`. */
  finish(reason: FinishReason, usage?: ChatUsage): void;
}

export function openChatStream(response: ServerResponse, id: string, model: string): ChatStream {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  const base = { id, object: 'chat.completion.chunk', created: Math.floor(Date.now() / 1000), model };
  const send = (rest: object) => response.write(`data: ${JSON.stringify({ ...base, ...rest })}\n\n`);
  const choice = (delta: ChatDelta, reason: FinishReason | null) =>
    send({ choices: [{ index: 0, delta, finish_reason: reason }] });
  return {
    delta: (delta) => void choice(delta, null),
    finish(reason, usage) {
      choice({}, reason);
      if (usage !== undefined) send({ choices: [], usage });
      response.end('data: [DONE]\n\n');
    },
  };
}

/** An error in the form that OpenAI gives it. */
export function sendChatError(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error: { message, type, param: null, code: null } }));
}
