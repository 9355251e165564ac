import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import { ModelError, type ModelMessage, type ModelRequest } from '../../src/model/port.ts';
import { startRawHttp } from './raw-http.ts';
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts';

/** A scripted model for each test file, and ways to ask it, and other servers, through the model port. */
export const key = 'sk-very-secret-0123456789';
export let server: ScriptedModel;
beforeAll(async () => {
  server = await startScriptedModel();
});
afterAll(() => server.close());

/** What a test started; closed after it. */
export const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

interface Heard {
  text: string[];
  thought: string[];
}

export function request(more: Partial<ModelRequest> = {}): ModelRequest {
  const messages: ModelMessage[] = [{ role: 'user', content: 'Hi', parts: [] }];
  return { model: 'some-model', messages, tools: [], signal: new AbortController().signal, ...more };
}

export async function ask(url = server.url, more: Partial<ModelRequest> = {}, silenceMs = 10_000) {
  const heard: Heard = { text: [], thought: [] };
  const model = createOpenAiModel({ apiKey: key, baseUrl: url, silenceMs });
  const sink = {
    text: (piece: string) => void heard.text.push(piece),
    thought: (piece: string) => void heard.thought.push(piece),
  };
  return { ...heard, answer: await model.stream(request(more), sink) };
}

export async function failure(asked: Promise<unknown>): Promise<ModelError> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ModelError)) throw new Error(`Expected a ModelError, not ${String(error)}.`);
  expect(error.message).not.toContain(key);
  return error;
}

/** A server that sends these bytes as its event stream, then ends the response. */
export async function raw(...pieces: (string | Buffer)[]): Promise<string> {
  const http = await startRawHttp((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    response.end();
  });
  closers.push(http.close);
  return http.url;
}

export const chunk = (delta: object, reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
export const stop = chunk({}, 'stop');
