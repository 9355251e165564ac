import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { type ChatRequest, parseChatRequest } from '../../src/cli/demo/chat-request.ts';
import {
  type ChatStream,
  type FinishReason,
  openChatStream,
  sendChatError,
} from '../../src/cli/demo/chat-stream.ts';
import { errorText } from '../../src/protocol/error-text.ts';

/** One thing that the model does; a reply is a sequence of them. */
export type Piece =
  | string
  | { thought: string }
  /** Streamed in fragments, as real servers do; a string is sent as it stands, even if it is no JSON. */
  | { toolCall: { id?: string; name: string; arguments: Record<string, unknown> | string } }
  | { delayMs: number }
  /** Goes on when the promise is settled: the test decides when. */
  | { until: Promise<unknown> }
  /** Kills the connection. */
  | { drop: true }
  /** Ends the stream in an orderly way, but without a finish reason. */
  | { end: true }
  /** Says nothing more until the client goes away. */
  | { hang: true }
  | { finish: FinishReason };

export interface ErrorReply {
  status: number;
  message?: string;
  headers?: Record<string, string>;
}
/** Text, pieces (also from a generator), or an HTTP error. */
export type Reply = string | Iterable<Piece> | AsyncIterable<Piece> | ErrorReply;

export interface ModelCall extends ChatRequest {
  /** The body as it was sent. */
  raw: unknown;
  /** Counted from 1 over the life of the server. */
  n: number;
  authorization: string | undefined;
  receivedAt: number;
  /** Aborted when the client went away before the answer was complete. */
  gone: AbortSignal;
}
export type ModelScript = (request: ModelCall, n: number) => Reply | Promise<Reply>;

export interface ScriptedModel {
  /** For `baseUrl`. */
  url: string;
  /** Replaces what answers from now on. */
  script(handler: ModelScript): void;
  /** Every request that was well formed, in order of arrival. */
  requests: ModelCall[];
  /** The messages of the requests that were refused with 400 (a tool call without its result, a bad form). */
  refused: string[];
  close(): Promise<void>;
}

/**
 * A model server on loopback, OpenAI-compatible over real HTTP streaming, whose answers a test decides one by
 * one. It refuses with 400 what real servers refuse.
 */
export async function startScriptedModel(handler: ModelScript = () => 'Hello.'): Promise<ScriptedModel> {
  const requests: ModelCall[] = [];
  const refused: string[] = [];
  let current = handler;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await accept(request, response);
    if (call === undefined) return;
    requests.push(call);
    call.n = requests.length;
    const reply = await current(call, call.n);
    if (isErrorReply(reply)) {
      const { status, message = `The script answers ${status}.`, headers } = reply;
      return sendChatError(response, status, message, headers);
    }
    await play(typeof reply === 'string' ? [reply] : reply, call, response);
  }

  async function accept(request: IncomingMessage, response: ServerResponse): Promise<ModelCall | undefined> {
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    try {
      const { authorization } = request.headers;
      const raw = await json(request);
      const parsed = parseChatRequest(raw);
      return { ...parsed, raw, n: 0, authorization, receivedAt: Date.now(), gone: gone.signal };
    } catch (error) {
      const message = errorText(error);
      refused.push(message);
      sendChatError(response, 400, message);
      return undefined;
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A script that throws is a fault of the test: shown to it as the model's error.
      if (response.headersSent) response.destroy();
      else sendChatError(response, 500, `The test's script failed: ${String(error)}`);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The scripted model has no port.');
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    script(next) {
      current = next;
    },
    requests,
    refused,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function play(
  pieces: Iterable<Piece> | AsyncIterable<Piece>,
  call: ModelCall,
  response: ServerResponse,
): Promise<void> {
  const stream = openChatStream(response, `chatcmpl-${call.n}`, call.model);
  stream.delta({ role: 'assistant', content: '' });
  let tools = 0;
  let tokens = 0;
  let reason: FinishReason | undefined;
  for await (const piece of pieces) {
    if (call.gone.aborted) return;
    tokens += 1;
    if (typeof piece === 'string') stream.delta({ content: piece });
    else if ('thought' in piece) stream.delta({ reasoning_content: piece.thought });
    else if ('toolCall' in piece) {
      streamToolCall(stream, piece.toolCall, tools, call.n);
      tools += 1;
    } else if ('delayMs' in piece) await delay(piece.delayMs, undefined, { signal: call.gone });
    else if ('until' in piece) await piece.until;
    else if ('finish' in piece) reason = piece.finish;
    else if ('drop' in piece) {
      // What was written is still corked; without this turn of the loop it would be lost as well.
      await nextTurn();
      return void response.destroy();
    } else if ('end' in piece) return void response.end();
    else return;
  }
  const usage = {
    prompt_tokens: call.messages.length,
    completion_tokens: tokens,
    total_tokens: call.messages.length + tokens,
  };
  stream.finish(
    reason ?? (tools > 0 ? 'tool_calls' : 'stop'),
    call.stream_options?.include_usage ? usage : undefined,
  );
}

function streamToolCall(
  stream: ChatStream,
  wanted: { id?: string; name: string; arguments: Record<string, unknown> | string },
  index: number,
  n: number,
): void {
  const id = wanted.id ?? `call_${n}_${index}`;
  const text = typeof wanted.arguments === 'string' ? wanted.arguments : JSON.stringify(wanted.arguments);
  const middle = Math.ceil(text.length / 2);
  stream.delta({
    tool_calls: [{ index, id, type: 'function', function: { name: wanted.name, arguments: '' } }],
  });
  for (const part of [text.slice(0, middle), text.slice(middle)]) {
    if (part !== '') stream.delta({ tool_calls: [{ index, function: { arguments: part } }] });
  }
}

function isErrorReply(reply: Reply): reply is ErrorReply {
  return typeof reply === 'object' && 'status' in reply;
}
