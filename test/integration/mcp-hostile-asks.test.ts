import { expect, test } from '@jest/globals';
import { expectOthersFine, startBeside } from '../helpers/hostile-mcp.ts';
import { call } from '../helpers/mcp-ports.ts';

test('requests of a server for what it may not have are refused, and the call goes on', async () => {
  const port = startBeside('asks.ts');
  const outcome = await call(port, 'hostile.ask', {}, { onElicit: () => Promise.reject(new Error('asked')) });
  expect(outcome.status).toBe('completed');
  const refused = { code: -32601, message: 'Method not found' };
  expect(JSON.parse(outcome.text)).toEqual({
    'sampling/createMessage': refused,
    'roots/list': refused,
    'elicitation/create': refused,
    'no/such': refused,
  });
  await expectOthersFine(port);
});

test('a question in words that turn themselves around is asked in words that people can see', async () => {
  const port = startBeside('disguises.ts', { turngate: { elicits: true } });
  const questions: unknown[] = [];
  const outcome = await call(
    port,
    'hostile.ask',
    {},
    {
      onElicit: async ({ message, schema }) => {
        questions.push({ message, schema });
        return { action: 'decline' };
      },
    },
  );
  expect(outcome.text).toBe('{"action":"decline"}');
  const field = { type: 'string', title: 'Name', description: '[31mYours' };
  expect(questions).toEqual([
    { message: 'Keep llA?[2J', schema: { type: 'object', properties: { constructor: field } } },
  ]);
  await expectOthersFine(port);
});
