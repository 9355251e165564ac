import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signToken } from '../helpers/gateway.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

// Limits as clients see them: real gateway, real worker, every frame checked against the JSON Schema.
let at: Whole;
beforeAll(async () => {
  at = await openWhole({ MAX_STEPS: '1' });
});
afterAll(() => at.close());

const once = (request: { messages: { role: string }[] }): Reply =>
  request.messages.at(-1)?.role === 'tool'
    ? ['done']
    : [{ toolCall: { name: 'test__echo', arguments: { text: 'hi' } } }];

async function atLimit() {
  at.model.script(once);
  const client = await at.connect(await at.session());
  client.send({ type: 'message', id: 'm', content: 'go' });
  const request = await client.frame('input_request');
  return { client, request };
}

test('a turn at its limit asks, shows that it waits, and goes on with an answer [input-limit]', async () => {
  const { client, request } = await atLimit();
  expect(request).toMatchObject({
    kind: 'limit',
    message:
      'This turn has reached its limit of 1 step (1 step so far). May it go on, and with how many more steps?',
    schema: {
      type: 'object',
      properties: { more: { type: 'integer', minimum: 1, maximum: 10, default: 1 } },
      required: ['more'],
    },
  });
  await client.frame('agent_status', ({ status }) => status === 'waiting_input');
  const answer = { type: 'input_response', request_id: request.request_id, action: 'accept' };
  for (const content of [undefined, { more: 0 }, { more: 11 }, { more: 1.5 }, { more: 1, other: 2 }]) {
    client.send({ ...answer, id: JSON.stringify(content ?? 'none'), ...(content ? { content } : {}) });
    const refused = await client.frame('error', ({ id }) => id === JSON.stringify(content ?? 'none'));
    expect(refused).toMatchObject({ code: 'validation_error' });
  }
  client.send({ ...answer, id: 'a', content: { more: 3 } });
  await client.frame('ack', ({ id }) => id === 'a');
  expect(await client.frame('turn_end')).toMatchObject({ status: 'completed' });
  expect(client.frames.filter(({ type }) => type === 'input_request')).toHaveLength(1);
  const usage = await fetch(`${at.http}/v1/usage`, {
    headers: { authorization: `Bearer ${await signToken()}` },
  });
  expect(await usage.json()).toMatchObject({
    used: { steps: 2, tool_calls: 1 },
    limits: { turn: { steps: 1 }, user_day: {} },
  });
});

test('a no ends it as cancelled, with the limit and who said no [input-limit-declined]', async () => {
  const { client, request } = await atLimit();
  client.send({ type: 'input_response', request_id: request.request_id, action: 'decline' });
  expect(await client.frame('turn_end')).toMatchObject({
    status: 'cancelled',
    error: {
      code: 'processing_error',
      message: 'The turn reached its limit of steps, and alice did not let it go on.',
    },
  });
});
