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
  ['client', '../store/db.ts'],
  ['client', 'node:events'],
  ['client', 'ws'],
  ['client', 'zod'],
  ['page', '../protocol/http.ts'],
  ['page', '../client/session.ts'],
  ['page', 'node:fs'],
  ['model', '../store/db.ts'],
  ['tools', '../activities/deps.ts'],
  ['gate', '../store/db.ts'],
  ['store', '../gateway/auth.ts'],
  ['live', '../store/db.ts'],
  ['gateway', '../activities/deps.ts'],
  ['gateway', '../cli/worker.ts'],
  ['gateway', 'pg'],
  ['activities', '../gateway/auth.ts'],
  ['activities', '@temporalio/worker'],
  ['model', 'uWebSockets.js'],
  ['store', 'ink'],
  ['webhooks', '../gateway/auth.ts'],
  ['webhooks', 'pg'],
];
const taken = [
  ['client', '../protocol/http.ts'],
  ['client', './state.ts'],
  ['page', '../client/index.ts'],
  ['page', 'markdown-it'],
  ['workflows', '../protocol/text.ts'],
  ['activities', '../store/db.ts'],
  ['gateway', '../store/db.ts'],
  ['store', '../gate/hashes.ts'],
  ['cli', '../gateway/auth.ts'],
  ['webhooks', '../store/db.ts'],
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

test.each([
  ['workflows', ['activities', 'store']],
  ['client', ['protocol']],
])('what src/%s takes from src/%s are types, which leave nothing in a bundle', (place, sources) => {
  const folder = join(repository, 'src', place);
  const statements = new RegExp(`(\\w+ \\w+)[^;]*? from '\\.\\./(${sources.join('|')})/`, 'g');
  for (const file of readdirSync(folder)) {
    const found = [...readFileSync(join(folder, file), 'utf8').matchAll(statements)];
    for (const [, words] of found) expect(words).toMatch(/^(import|export) type$/);
  }
});
