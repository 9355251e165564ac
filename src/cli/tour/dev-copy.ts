import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { environment } from '../../config/config.ts';
import type { DevInfo } from '../dev/dev-file.ts';
import { devOptions } from '../dev/settings.ts';
import { stopSurvivors } from '../dev/survivors.ts';
import { orAborted } from './tour-failure.ts';

const packageFolder = fileURLToPath(new URL('../../../', import.meta.url));
const main = fileURLToPath(new URL('../main.ts', import.meta.url));
/** `turngate dev` bounds its own stop at 5 s. */
const stopBoundMs = 10_000;
const keptLines = 200;
const readyLine = 'Turngate is ready.';

/** A `turngate dev` of the tour's own: a child process on free ports, in a folder that goes with it. */
export interface DevCopy {
  /** Folder of its data; the agent's tools work in it. */
  data: string;
  /** Resolves when everything is ready; rejects where it ends before. */
  ready(signal: AbortSignal): Promise<DevInfo>;
  /** What `dev.json` says now. */
  info(): DevInfo;
  /** Resolves once the console says a line that fits; what it said before does not count. */
  nextLine(fits: (line: string) => boolean, signal: AbortSignal): Promise<void>;
  /** Resolves with a sentence when it ends by itself. */
  ended: Promise<string>;
  /** Stops everything and removes the folder. */
  remove(): Promise<void>;
}

/** @param say told each line of its console but the table at the start */
export function startDevCopy(env: NodeJS.ProcessEnv, say: (line: string) => void): DevCopy {
  const folder = mkdtempSync(join(tmpdir(), 'turngate-demo-'));
  // Passable for Postgres's user, where we are root; the data folder inside is closed.
  chmodSync(folder, 0o711);
  const data = join(folder, 'data');
  const ports = ['--gateway-port', '0', '--temporal-port', '0', '--temporal-ui-port', '0'];
  const places = ['--data', data, '--postgres-data', join(folder, 'postgres')];
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'dev', ...ports, ...places],
    { cwd: packageFolder, env: withoutSettings(env), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  let inTable = false;
  const take = (line: string) => {
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
    if (line === readyLine) inTable = true;
    else if (!inTable && line.trim() !== '') say(line);
    if (line.includes('Ctrl-C stops everything')) inTable = false;
    for (const waiter of waiting) waiter(line);
  };
  splitLines(child.stdout, take);
  splitLines(child.stderr, take);
  const closed = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`\`turngate dev\` cannot be started: ${error.message}`));
    // `close` and not `exit`: every word of its has arrived by then.
    child.once('close', (code, signal) => {
      const last = lines.filter((line) => line.trim() !== '').at(-1) ?? 'nothing';
      resolve(`\`turngate dev\` ended (${signal ?? `exit code ${code}`}); its last words: ${last}`);
    });
  });
  const line = (fits: (line: string) => boolean, signal: AbortSignal, said: readonly string[] = lines) => {
    let waiter: (line: string) => void = () => undefined;
    const found = new Promise<void>((resolve) => {
      waiter = (text) => {
        if (fits(text)) resolve();
      };
      waiting.add(waiter);
      said.forEach(waiter);
    });
    return orAborted(found, signal).finally(() => waiting.delete(waiter));
  };
  const info = () => JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8')) as DevInfo;
  return {
    data,
    info,
    nextLine: (fits, signal) => line(fits, signal, []),
    ended: closed,
    async ready(signal) {
      await line((text) => text === readyLine, signal);
      return info();
    },
    async remove() {
      await stop(child, closed);
      // Killed from outside, it left its parts running.
      if (existsSync(data)) await stopSurvivors(data, say);
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

async function stop(child: ChildProcess, closed: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const stopped = await Promise.race([closed, delay(stopBoundMs, null, { ref: false })]);
  if (stopped === null) child.kill('SIGKILL');
  await closed;
}

/** The tour is the same for everybody: whatever sets up their own Turngate (a key, a database) is left out. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const settings = new Set<string>([
    ...Object.keys(environment.shape),
    ...devOptions.map(([, , variable]) => variable),
    'DEMO_MODEL_PACE_MS',
  ]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !settings.has(name)));
}

function splitLines(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  stream?.on('end', () => {
    if (rest !== '') take(rest);
  });
}
