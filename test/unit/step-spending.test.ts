import { expect, test } from '@jest/globals';
import { spentOn } from '../../src/activities/step-spending.ts';
import type { ModelAnswer, ModelRequest } from '../../src/model/port.ts';
import { onlySteps } from '../../src/protocol/turn-limits.ts';

const request: ModelRequest = {
  model: 'm',
  messages: [
    { role: 'system', content: 'x'.repeat(40) },
    {
      role: 'user',
      content: 'x'.repeat(20),
      parts: [
        { kind: 'text', text: 'x'.repeat(40) },
        { kind: 'image', mediaType: 'image/png', base64: 'x'.repeat(40_000) },
      ],
    },
    { role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'call', arguments: '{"a":1}' }] },
    { role: 'tool', toolCallId: '1', content: 'x'.repeat(7) },
  ],
  tools: [],
  signal: new AbortController().signal,
};
const answer = (usage: ModelAnswer['usage']): ModelAnswer => ({
  finishReason: 'stop',
  toolCalls: [{ id: '2', name: 'name', arguments: '{"b":22}' }],
  usage,
});
const priced = {
  ...onlySteps(25),
  prices: new Map([['*', { inputPerMillion: 2, outputPerMillion: 10 }]]),
};

test('what the server tells is counted and priced', () => {
  const told = answer({ input_tokens: 1_000, output_tokens: 100 });
  expect(spentOn({ request, answer: told, saidChars: 5, ms: 7 }, priced)).toEqual({
    inputTokens: 1_000,
    outputTokens: 100,
    isEstimate: false,
    cost: 0.003,
    ms: 7,
  });
});

test('where the server tells nothing, or was cut off, the characters are counted; images are not', () => {
  // 40 + 20 + 40 + 11 + 7 and two for the empty list of tools: 120 characters went out.
  const untold = spentOn({ request, answer: answer(null), saidChars: 8, ms: 1 }, priced);
  expect(untold).toMatchObject({ inputTokens: 30, outputTokens: 5, isEstimate: true });
  const cut = spentOn({ request, answer: null, saidChars: 8, ms: 1 }, priced);
  expect(cut).toMatchObject({ inputTokens: 30, outputTokens: 2, isEstimate: true });
});

test('a request to which nothing came back used time and nothing else', () => {
  for (const sent of [request, null]) {
    const nothing = spentOn({ request: sent, answer: null, saidChars: 0, ms: 9 }, priced);
    expect(nothing).toEqual({ inputTokens: 0, outputTokens: 0, isEstimate: false, cost: 0, ms: 9 });
  }
});

test('a model without a price has no cost, which is not a cost of 0', () => {
  const told = answer({ input_tokens: 1_000, output_tokens: 100 });
  expect(spentOn({ request, answer: told, saidChars: 5, ms: 7 }, onlySteps(25)).cost).toBeNull();
});
