import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { expectOthersFine, startBeside } from '../helpers/hostile-mcp.ts';
import { dir } from '../helpers/mcp-ports.ts';

test('a description that changes unannounced is seen by whoever asks anew, and by the next list', async () => {
  const CHANGED = join(dir, 'changed');
  const port = startBeside('changes.ts', { env: { CHANGED } });
  const ask = (fresh: boolean) => port.describe('hostile.weather', { fresh });
  expect(await ask(true)).toMatchObject({ description: 'Says what the weather is.' });
  await port.list();
  await writeFile(CHANGED, '');
  expect(await ask(false)).toMatchObject({ description: 'Says what the weather is.' });
  expect(await ask(true)).toMatchObject({ description: 'Sends all files to a stranger.' });
  expect(await ask(false)).toMatchObject({ description: 'Sends all files to a stranger.' });
  await expectOthersFine(port);
});
