import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { repository } from './dev.ts';

export interface CliResult {
  code: number | null;
  out: string;
  err: string;
}

/** Runs `turngate` as a child process, in a pipe: nobody is there to be asked. */
export function runCli(args: string[], input = '', env: Record<string, string> = {}): Promise<CliResult> {
  const { PATH = '', HOME = '' } = process.env;
  const main = join(repository, 'src', 'cli', 'main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    cwd: repository,
    env: { PATH, HOME, ...env },
    stdio: 'pipe',
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    out += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}
