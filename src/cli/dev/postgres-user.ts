import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { StartFailure } from './start-failure.ts';

export interface UserIds {
  uid: number;
  gid: number;
}

const commandTimeoutMs = 10_000;

/**
 * The unprivileged user that Postgres runs as, because it refuses to run as root: `postgres` where the system has
 * it or lets us make it, else `nobody`. Undefined where we are an ordinary user ourselves.
 * @throws StartFailure where we are root and no such user can be had
 */
export function postgresUser(): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const ids = idsOf('postgres') ?? createPostgresUser() ?? idsOf('nobody');
  if (ids !== undefined) return ids;
  throw new StartFailure(
    'Postgres does not run as root, and this system has neither a user `postgres` nor `nobody`; ' +
      'create one with `useradd --system postgres`, or start Turngate as an ordinary user.',
  );
}

function createPostgresUser(): UserIds | undefined {
  run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
  return idsOf('postgres');
}

function idsOf(name: string): UserIds | undefined {
  const uid = run('id', ['-u', name]);
  const gid = run('id', ['-g', name]);
  if (uid === undefined || gid === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid) };
}

function run(command: string, args: string[]): string | undefined {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      encoding: 'utf8',
      timeout: commandTimeoutMs,
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    return execFileSync(command, args, options).trim();
  } catch {
    // No such program, no such user, or not allowed: the caller has another way or says so.
    return undefined;
  }
}
