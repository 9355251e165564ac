import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { fromSetup } from '../helpers/database.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('./replay-history.ts', import.meta.url));
const folder = fileURLToPath(new URL('./histories/', import.meta.url));
const names = readdirSync(folder).map((file) => file.replace('.json', ''));
const expected = [
  'allowed',
  'approved',
  'approved-quick',
  'approved-slow',
  'asked-again',
  'cancelled',
  'escalated',
  'expired',
  'interrupted',
  'interrupted-tool',
  'let-go',
  'limit',
  'limit-calls',
  'plain',
  'queued',
  'queued-second',
  'rejected',
  'steered',
  'unknown-outcome',
  'voted',
  'worker-killed',
];

async function replay(file: string): Promise<string> {
  const node = ['--disable-warning=ExperimentalWarning', script, fromSetup('TURNGATE_TEST_BUNDLE'), file];
  const { stdout } = await run(process.execPath, node);
  return stdout;
}

test('there is a recorded history of each way a turn can go', () => {
  expect(names.toSorted()).toEqual(expected);
});

test.each(expected)('%s replays with today’s workflow code', async (name) => {
  expect(await replay(join(folder, `${name}.json`))).toContain('replayed');
});

test('a history that does not fit the code is refused', async () => {
  const scratch = openFolder('turngate-replay-');
  try {
    const changed = readFileSync(join(folder, 'approved.json'), 'utf8').replaceAll(
      '"callTool"',
      '"otherTool"',
    );
    writeFileSync(join(scratch, 'changed.json'), changed);
    await expect(replay(join(scratch, 'changed.json'))).rejects.toThrow(/[Nn]ondeterminism/);
  } finally {
    removeFolder(scratch);
  }
});
