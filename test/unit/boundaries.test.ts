import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openFolder, removeFolder } from '../helpers/services.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const biome = join(repository, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');

const refused = [
  ['protocol', '../store/db.ts'],
  ['protocol', 'node:fs'],
  ['workflows', '../store/db.ts'],
  ['workflows', '../activities/run-step.ts'],
  ['workflows', '@temporalio/activity'],
  ['workflows', 'node:crypto'],
  ['model', '../store/db.ts'],
  ['tools', '../activities/deps.ts'],
  ['store', '../gateway/auth.ts'],
  ['live', '../store/db.ts'],
  ['gateway', '../activities/deps.ts'],
  ['gateway', '../cli/worker.ts'],
  ['gateway', 'pg'],
  ['activities', '../gateway/auth.ts'],
  ['activities', '@temporalio/worker'],
  ['model', 'uWebSockets.js'],
  ['store', 'ink'],
];
const taken = [
  ['workflows', '../protocol/text.ts'],
  ['activities', '../store/db.ts'],
  ['gateway', '../store/db.ts'],
  ['cli', '../gateway/auth.ts'],
];
const fileOf = (at: number) => `case-${at}.ts`;
let folder: string;
let said: string;

/** The linter, with the repository's own rules, over a folder in which each import stands in a file of its own. */
beforeAll(() => {
  folder = openFolder('turngate-boundaries-');
  copyFileSync(join(repository, 'biome.json'), join(folder, 'biome.json'));
  for (const [at, [place = '', source]] of [...refused, ...taken].entries()) {
    const file = join(folder, 'src', place, fileOf(at));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `import { x } from '${source}';\n\nexport { x };\n`);
  }
  const options = ['--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none', '--colors=off'];
  const run = spawnSync(process.execPath, [biome, 'lint', ...options], { cwd: folder, encoding: 'utf8' });
  said = run.stdout + run.stderr;
});
afterAll(() => removeFolder(folder));

const isRefused = (at: number) =>
  said.split('\n').some((line) => line.includes('noRestrictedImports') && line.includes(`/${fileOf(at)},`));

test.each(refused.map(([place, source], at) => ({ place, source, at })))(
  'src/$place must not import $source',
  ({ at }) => {
    expect(isRefused(at)).toBe(true);
  },
);

test.each(taken.map(([place, source], at) => ({ place, source, at: at + refused.length })))(
  'src/$place may import $source',
  ({ at }) => {
    expect(isRefused(at)).toBe(false);
  },
);

test('what workflows take from activities and store are types, which leave nothing in the bundle', () => {
  const folder = join(repository, 'src', 'workflows');
  for (const file of readdirSync(folder)) {
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      if (/from '\.\.\/(activities|store)\//.test(line)) expect(line).toMatch(/^import type /);
    }
  }
});
