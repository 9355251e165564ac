import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call, dir } from '../helpers/mcp-ports.ts';

test('a server that reads nothing more is left to what it still has to say, and started anew for what comes', async () => {
  const port = startBeside('mute.ts', { env: { EFFECTS_FILE: join(dir, 'mute') } });
  const deaf = () => call(port, 'hostile.deaf');
  expect(await deaf()).toMatchObject({ status: 'completed' });
  const second = await deaf();
  expect(second.status).not.toBe('completed');
  // Nobody is told that it is not known, where nothing was written.
  const words = /stopped before it answered|could not be reached: its server has stopped/;
  expectToolError(second, second.status === 'failed' ? 'failed' : 'unknown', words);
  expect(second).toMatchObject(second.status === 'failed' ? { isUnsent: true } : { isServerGone: true });
  expect(await deaf()).toMatchObject({ status: 'completed' });
  await expectOthersFine(port);
});
