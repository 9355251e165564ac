import { expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call } from '../helpers/mcp-ports.ts';

test('a server that does not start fails its calls, each with its reason, and is left in peace for longer and longer', async () => {
  const port = startBeside('down.ts');
  expectToolError(
    await call(port, 'hostile.x'),
    'failed',
    /"hostile" could not be started: no database for me\.$/,
  );
  await expect(port.describe('hostile.x', { fresh: true })).rejects.toThrow(
    /"hostile" failed 1 times; it is tried again in 1 s/,
  );
  await expectOthersFine(port);
  // Each call waits out the pause before it, until one is too long for a call.
  const words: string[] = [];
  while (!/is tried again/.test(words.at(-1) ?? '')) {
    const outcome = await call(port, 'hostile.x');
    expectToolError(outcome, 'failed', /no database for me|failed 4 times; it is tried again in [5678] s/);
    words.push(outcome.text);
    expect(words.length).toBeLessThan(5);
  }
});
