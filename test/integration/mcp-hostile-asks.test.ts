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
