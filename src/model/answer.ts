import type { Usage } from '../protocol/frame-parts.ts';
import { prop, text } from './json-access.ts';
import { streamFault } from './model-faults.ts';
import { type ModelAnswer, ModelError, type ModelSink } from './port.ts';
import { createTextPieces } from './text-pieces.ts';
import { createToolCallParts } from './tool-call-parts.ts';

export interface AnswerBuilder {
  /** One event's data: a chunk, or `[DONE]`. @throws ModelError when the server reports an error in it */
  take(data: string): void;
  /** Whether nothing more is to be expected. */
  done(): boolean;
  /** @throws ModelError `Dropped` when the stream ended before the model did */
  finish(): ModelAnswer;
}

/** Follows the chunks of one streamed chat completion. */
export function createAnswerBuilder(sink: ModelSink): AnswerBuilder {
  const content = createTextPieces((piece) => sink.text(piece));
  const thought = createTextPieces((piece) => sink.thought(piece));
  const tools = createToolCallParts();
  let finishReason = '';
  let usage: Usage | null = null;
  let done = false;

  return {
    take(data) {
      if (data === '[DONE]') {
        done = true;
        return;
      }
      const chunk = parse(data);
      if (prop(chunk, 'error')) throw streamFault(prop(chunk, 'error'));
      const choices = prop(chunk, 'choices');
      const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
      const delta = prop(choice, 'delta');
      // Servers name it one way or the other; some send both with the same words.
      const reasoning = text(prop(delta, 'reasoning_content')) || text(prop(delta, 'reasoning'));
      if (reasoning !== '') thought.push(reasoning);
      const said = text(prop(delta, 'content')) || text(prop(delta, 'refusal'));
      if (said !== '') content.push(said);
      tools.push(prop(delta, 'tool_calls'));
      finishReason ||= text(prop(choice, 'finish_reason'));
      usage = readUsage(prop(chunk, 'usage')) ?? usage;
    },
    done: () => done,
    finish() {
      if (finishReason === '') {
        throw new ModelError('Dropped', 'The model server ended its answer before the model had finished.');
      }
      thought.end();
      content.end();
      return { finishReason, toolCalls: tools.calls(), usage };
    },
  };
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw new ModelError('Dropped', 'The model server sent a piece that is not JSON.', { cause: error });
  }
}

function readUsage(raw: unknown): Usage | null {
  const input = prop(raw, 'prompt_tokens');
  const output = prop(raw, 'completion_tokens');
  if (!Number.isSafeInteger(input) || !Number.isSafeInteger(output)) return null;
  return { input_tokens: Number(input), output_tokens: Number(output) };
}
