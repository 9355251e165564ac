import { spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { signalGroup } from './process-identity.ts';
import { StartFailure } from './start-failure.ts';

const packagePath = 'github.com/temporalio/cli/cmd/temporal';
const buildTimeoutMs = 20 * 60_000;
const progressEveryMs = 15_000;
const keptOutputChars = 2_000;

export interface GoInstall {
  go: string;
  version: string;
  folder: string;
  env: NodeJS.ProcessEnv;
  say(line: string): void;
  signal: AbortSignal;
}

/**
 * Builds Temporal's CLI, with its UI, from source.
 * @throws StartFailure with the end of Go's output
 */
export async function goInstallTemporal(options: GoInstall): Promise<void> {
  const { go, version, folder, env, say, signal } = options;
  const half = mkdtempSync(join(folder, 'build-'));
  const since = Date.now();
  const elapsed = () => `${Math.round((Date.now() - since) / 1_000)} s`;
  say(`Building Temporal ${version} with Go, once: some 3 minutes on two cores ...`);
  const progress = setInterval(() => say(`Building Temporal ... ${elapsed()}`), progressEveryMs);
  try {
    const result = await build(go, `${packagePath}@v${version}`, { ...env, GOBIN: half }, signal);
    if (result.code !== 0) {
      throw new StartFailure(
        `Temporal cannot be built with ${go} (${result.why}); install the Temporal CLI by hand, ` +
          `or set TEMPORAL_ADDRESS to a Temporal that runs. The end of Go's words:\n${result.output.trim()}`,
      );
    }
    renameSync(join(half, 'temporal'), join(folder, 'temporal'));
    say(`Built Temporal in ${elapsed()}.`);
  } finally {
    clearInterval(progress);
    rmSync(half, { recursive: true, force: true });
  }
}

function build(
  go: string,
  target: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<{ code: number | null; why: string; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(go, ['install', target], {
      env,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const end = (): void => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    };
    const timer = setTimeout(end, buildTimeoutMs);
    // The compilers that it started are in its group.
    signal.addEventListener('abort', end, { once: true });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-keptOutputChars);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code, ended) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve({ code, why: ended === null ? `exit code ${code}` : `signal ${ended}`, output });
    });
  });
}
