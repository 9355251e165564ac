import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorText } from '../../protocol/error-text.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { type ChatDelta, type ChatUsage, openChatStream, sendChatError } from './chat-stream.ts';
import { createPace, type Pace, toPieces } from './pace.ts';
import { makePlan, type Plan } from './plan.ts';

const modelName = 'turngate-demo';
/** Attachments of 20 MiB, as base64, and the words around them. */
const bodyBytes = 40 * 1024 * 1024;
const argumentChars = 24;

/** The demo model's HTTP server, not listening yet. It keeps nothing between two requests. */
export function createModelServer(pieceMs: number): Server {
  const pace = createPace(pieceMs);
  return createServer((request, response) => {
    serve(request, response, pace).catch((error: unknown) => {
      if (!response.headersSent) sendChatError(response, 500, `The demo model failed: ${String(error)}`);
      // A client that went away in the middle is nothing to tell anybody.
      else response.destroy();
    });
  });
}

async function serve(request: IncomingMessage, response: ServerResponse, pace: Pace): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (request.method === 'GET' && path === '/v1/models') return sendModels(response);
  if (request.method !== 'POST' || path !== '/v1/chat/completions') {
    return sendChatError(response, 404, `The demo model has no ${request.method} ${path}.`);
  }
  const body = await readBody(request);
  if (body === undefined) return sendChatError(response, 413, 'The request is larger than 16 MiB.');
  let chat: ChatRequest;
  try {
    chat = parseChatRequest(JSON.parse(body));
  } catch (error) {
    return sendChatError(response, 400, errorText(error));
  }
  const plan = makePlan(chat, new Date());
  if (chat.stream) await streamPlan(plan, chat, response, pace);
  else sendWhole(plan, chat, response);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > bodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function sendModels(response: ServerResponse): void {
  const data = [{ id: modelName, object: 'model', created: 0, owned_by: 'turngate' }];
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ object: 'list', data }));
}

async function streamPlan(
  plan: Plan,
  chat: ChatRequest,
  response: ServerResponse,
  pace: Pace,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const stream = openChatStream(response, `chatcmpl-${randomUUID()}`, chat.model);
  // As the first bytes: a client can tell a model that thinks from a server that hangs.
  stream.delta({ role: 'assistant', content: '' });
  await pace.begin(gone.signal);
  for (const { delta, words } of deltasOf(plan)) {
    stream.delta(delta);
    if (response.writableNeedDrain) await once(response, 'drain', { signal: gone.signal });
    await pace.after(words, gone.signal);
  }
  stream.finish(finishReason(plan), chat.stream_options?.include_usage ? usageOf(plan, chat) : undefined);
}

function* deltasOf(plan: Plan): Generator<{ delta: ChatDelta; words: string }> {
  for (const words of toPieces(plan.thought)) yield { delta: { reasoning_content: words }, words };
  for (const words of toPieces(plan.text)) yield { delta: { content: words }, words };
  for (const [index, call] of toolCalls(plan).entries()) {
    const { arguments: written, name } = call.function;
    const head = { index, id: call.id, type: call.type, function: { name, arguments: '' } };
    yield { delta: { tool_calls: [head] }, words: '' };
    for (const part of written.match(new RegExp(`.{1,${argumentChars}}`, 'gsu')) ?? []) {
      yield { delta: { tool_calls: [{ index, function: { arguments: part } }] }, words: '' };
    }
  }
}

function sendWhole(plan: Plan, chat: ChatRequest, response: ServerResponse): void {
  const calls = toolCalls(plan);
  const message = {
    role: 'assistant',
    content: plan.text,
    ...(plan.thought === '' ? {} : { reasoning_content: plan.thought }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      id: `chatcmpl-${randomUUID()}`,
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: chat.model,
      choices: [{ index: 0, message, finish_reason: finishReason(plan) }],
      usage: usageOf(plan, chat),
    }),
  );
}

function toolCalls(plan: Plan) {
  return plan.calls.map((call) => ({
    id: `call_${randomUUID()}`,
    type: 'function' as const,
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));
}

function finishReason(plan: Plan): 'tool_calls' | 'stop' {
  return plan.calls.length > 0 ? 'tool_calls' : 'stop';
}

/** An estimate: pieces for what is said, four characters a token for what is read. */
function usageOf(plan: Plan, chat: ChatRequest): ChatUsage {
  const prompt = Math.ceil(JSON.stringify(chat.messages).length / 4);
  const completion = toPieces(plan.thought + plan.text).length + plan.calls.length * 8;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
