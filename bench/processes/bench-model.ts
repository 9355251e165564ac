import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { setImmediate as nextRound } from 'node:timers/promises';
import { z } from 'zod';
import { announceReady } from '../../src/cli/ready.ts';
import { untilSignalled } from '../../src/cli/until-signalled.ts';
import { nowMs, stamp, stampOf } from '../clock.ts';
import { type ModelTask, modelTask } from '../model-task.ts';

const request = z.object({
  model: z.string(),
  stream: z.literal(true),
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })).min(1),
});

/** As the worker offers `bench.begin`. */
const benchTool = 'bench__begin';
/** Tokens written in one round of the event loop at full speed. */
const burst = 20;

/** One streamed answer: a token is the time at which it is written. */
class Answer {
  readonly #response: ServerResponse;
  readonly #arrivedMs: number;
  readonly #head: string;
  #written = 0;

  constructor(response: ServerResponse, arrivedMs: number, model: string) {
    this.#response = response;
    this.#arrivedMs = arrivedMs;
    this.#head = `data: {"id":"bench","object":"chat.completion.chunk","created":0,"model":${JSON.stringify(model)}`;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  }

  get isOver(): boolean {
    return this.#response.destroyed;
  }

  token(): void {
    const first = this.#written === 0 ? stampOf(this.#arrivedMs) : '';
    this.#written += 1;
    this.#response.write(`${this.#chunk({ role: 'assistant', content: first + stamp() }, null)}`);
  }

  callTool(): void {
    const call = { index: 0, id: 'call', type: 'function', function: { name: benchTool, arguments: '{}' } };
    this.#response.write(this.#chunk({ role: 'assistant', tool_calls: [call] }, null));
  }

  end(promptTokens: number, reason: 'stop' | 'tool_calls'): void {
    const usage = { prompt_tokens: promptTokens, completion_tokens: this.#written };
    const last = `${this.#head},"choices":[],"usage":${JSON.stringify(usage)}}\n\n`;
    this.#response.end(`${this.#chunk({}, reason)}${last}data: [DONE]\n\n`);
  }

  #chunk(delta: object, finishReason: string | null): string {
    const choice = { index: 0, delta, finish_reason: finishReason };
    return `${this.#head},"choices":[${JSON.stringify(choice)}]}\n\n`;
  }
}

async function say(answer: Answer, task: ModelTask): Promise<void> {
  if (task.firstMs > 0) await new Promise((resolve) => setTimeout(resolve, task.firstMs));
  answer.token();
  let left = task.tokens - 1;
  if (task.everyMs === 0) {
    for (; left > 0 && !answer.isOver; left -= 1) {
      answer.token();
      if (left % burst === 0) await nextRound();
    }
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (left > 0 && !answer.isOver) answer.token();
      left -= 1;
      if (left > 0 && !answer.isOver) return;
      clearInterval(timer);
      resolve();
    }, task.everyMs);
  });
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await json(incoming);
  const arrivedMs = nowMs();
  response.socket?.setNoDelay(true);
  const { model, messages } = request.parse(body);
  const asked = messages.findLast((message) => message.role === 'user')?.content;
  const task = modelTask.parse(JSON.parse(String(asked)));
  const answer = new Answer(response, arrivedMs, model);
  const asksTool = task.tool === true && messages.at(-1)?.role !== 'tool';
  if (asksTool) answer.callTool();
  else await say(answer, task);
  if (!answer.isOver) answer.end(messages.length, asksTool ? 'tool_calls' : 'stop');
}

const server = createServer((incoming, response) => {
  serve(incoming, response).catch((error: unknown) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: `The bench's model failed: ${String(error)}` } }));
  });
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('The bench model has no port.');
announceReady({ url: `http://127.0.0.1:${address.port}/v1` });
await untilSignalled();
server.closeAllConnections();
server.close();
process.exit(0);
