import { test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call } from '../helpers/mcp-ports.ts';

test('a server that dies in each call is started again, after longer and longer pauses', async () => {
  const port = startBeside('dies.ts');
  for (let time = 1; time <= 4; time += 1) {
    expectToolError(await call(port, 'hostile.die'), 'unknown', /stopped before it answered/);
    await expectOthersFine(port);
  }
  expectToolError(await call(port, 'hostile.die'), 'unknown', /stopped before it answered/);
  expectToolError(await call(port, 'hostile.die'), 'failed', /failed 5 times; it is tried again in [5678] s/);
  await expectOthersFine(port);
});
