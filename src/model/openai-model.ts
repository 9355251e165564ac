import type { IncomingMessage } from 'node:http';
import { OpenAI } from 'openai';
import { createAnswerBuilder } from './answer.ts';
import { toChatParams } from './chat-params.ts';
import { toModelFault } from './model-faults.ts';
import { ConnectionFault, createNodeFetch } from './node-fetch.ts';
import { type ModelAnswer, ModelError, type ModelPort, type ModelSink } from './port.ts';
import { watchSilence } from './silence.ts';
import { createSseReader } from './sse-reader.ts';

const defaultBaseUrl = 'https://api.openai.com/v1';
const maxTimerMs = 2 ** 31 - 1;
const lingerMs = 1_000;

export interface OpenAiModelOptions {
  /** May be empty for servers that want none. */
  apiKey: string;
  /** Of any server that speaks the chat-completions API; OpenAI's own where not given. */
  baseUrl?: string | undefined;
  /** A server that sends nothing for this long counts as failed. */
  silenceMs: number;
}

/**
 * Models behind the chat-completions API, streamed.
 * @throws Error when `baseUrl` is no HTTP address
 */
export function createOpenAiModel(options: OpenAiModelOptions): ModelPort {
  const { apiKey, silenceMs, baseUrl = defaultBaseUrl } = options;
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? '')) {
    throw new Error('OPENAI_BASE_URL must be an address that begins with http:// or https://.');
  }
  const transport = createNodeFetch();
  const client = new OpenAI({
    // The client insists on a key; servers that want none ignore it.
    apiKey: apiKey || 'none',
    baseURL: baseUrl,
    maxRetries: 0,
    // Its limit ends with the headers; the watch over silence covers these too.
    timeout: maxTimerMs,
    logLevel: 'off',
    fetch: transport.fetch,
  });

  return {
    async stream(request, sink) {
      request.signal.throwIfAborted();
      const silence = watchSilence(silenceMs);
      const stop = AbortSignal.any([request.signal, silence.signal]);
      try {
        const call = client.chat.completions.create(toChatParams(request), { signal: stop });
        const response = await call.asResponse();
        const body = transport.bodyOf(response);
        silence.heard();
        if (body === undefined) throw new ConnectionFault('no body');
        checkStreams(body);
        return await readAnswer(body, sink, stop, silence.heard);
      } catch (error) {
        request.signal.throwIfAborted();
        if (silence.signal.aborted) {
          throw new ModelError('Silent', `The model server said nothing for ${silenceMs / 1000} s.`);
        }
        throw toModelFault(error, { model: request.model, apiKey });
      } finally {
        silence.stop();
      }
    },
  };
}

/** A web page or a whole answer instead of a stream: no retry would change that. */
function checkStreams(body: IncomingMessage): void {
  const type = body.headers['content-type'] ?? '';
  if (!/text\/html|application\/json/.test(type)) return;
  body.destroy();
  throw new ModelError('NotFound', `The model server answered ${type}, not a stream. Check OPENAI_BASE_URL.`);
}

/** Reads by events, not by async iteration: a promise a chunk is what costs most with many streams. */
function readAnswer(
  body: IncomingMessage,
  sink: ModelSink,
  stop: AbortSignal,
  heard: () => void,
): Promise<ModelAnswer> {
  return new Promise((resolve, reject) => {
    const answer = createAnswerBuilder(sink);
    const reader = createSseReader(answer.take);
    let settled = false;
    const settle = (end: () => void) => {
      if (settled) return;
      settled = true;
      stop.removeEventListener('abort', onStop);
      try {
        end();
      } catch (error) {
        // Also what the sink throws: nobody is left to stream for.
        body.destroy();
        reject(error);
      }
    };
    const fail = (error: unknown) =>
      settle(() => {
        throw error;
      });
    const onStop = () => fail(stop.reason);
    stop.addEventListener('abort', onStop);

    body.setEncoding('utf8');
    body.on('data', (text: string) => {
      if (settled) return;
      heard();
      try {
        reader.push(text);
        // Not at the end of the response: a server may leave it open. It gets a moment to end in an orderly
        // way, so that the connection can be used again.
        if (answer.done()) {
          settle(() => resolve(answer.finish()));
          setTimeout(() => body.destroy(), lingerMs).unref();
        }
      } catch (error) {
        fail(error);
      }
    });
    body.on('end', () =>
      settle(() => {
        reader.end();
        resolve(answer.finish());
      }),
    );
    body.on('error', (error: NodeJS.ErrnoException) => fail(new ConnectionFault(error.code ?? error.name)));
    body.on('close', () => fail(new ConnectionFault('closed')));
    if (body.destroyed) fail(new ConnectionFault('closed'));
    if (stop.aborted) onStop();
  });
}
