import type { ModelAnswer, ModelMessage, ModelRequest } from '../model/port.ts';
import { priceOf, type TurnLimits } from '../protocol/turn-limits.ts';
import type { Spent } from '../store/usage.ts';

/** Of English and code rather less, of many other languages more; it is an estimate. */
const charsPerToken = 4;

interface Attempt {
  /** What was sent; null where it did not come to that. */
  request: ModelRequest | null;
  /** What is known of the whole answer; null where it did not end. */
  answer: ModelAnswer | null;
  /** Text and reasoning that came, characters. */
  saidChars: number;
  ms: number;
}

/**
 * What an attempt of a step used, and what that cost. Where the model's server tells no usage, it is counted by the
 * characters: never as nothing. A request to which nothing came back (refused, not reached) used nothing.
 */
export function spentOn({ request, answer, saidChars, ms }: Attempt, limits: TurnLimits): Spent {
  const told = answer?.usage;
  if (request === null || (answer === null && saidChars === 0)) {
    return { inputTokens: 0, outputTokens: 0, isEstimate: false, cost: 0, ms };
  }
  const called = answer?.toolCalls.map((call) => call.name.length + call.arguments.length) ?? [];
  const inputTokens = told?.input_tokens ?? tokensIn(charsOf(request));
  const outputTokens = told?.output_tokens ?? tokensIn(sum([saidChars, ...called]));
  const price = priceOf(limits, request.model);
  const cost =
    price === undefined
      ? null
      : (inputTokens * price.inputPerMillion + outputTokens * price.outputPerMillion) / 1_000_000;
  return { inputTokens, outputTokens, isEstimate: !told, cost, ms };
}

function tokensIn(chars: number): number {
  return Math.ceil(chars / charsPerToken);
}

function charsOf({ messages, tools }: ModelRequest): number {
  return sum(messages.map(charsOfMessage)) + JSON.stringify(tools).length;
}

/** Images are left out: what they cost has nothing to do with their characters. */
function charsOfMessage(message: ModelMessage): number {
  const { content } = message;
  if (message.role === 'user') {
    return content.length + sum(message.parts.map((part) => (part.kind === 'text' ? part.text.length : 0)));
  }
  if (message.role !== 'assistant') return content.length;
  return content.length + sum(message.toolCalls.map((call) => call.name.length + call.arguments.length));
}

function sum(numbers: number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
