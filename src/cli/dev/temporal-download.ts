import { execFile } from 'node:child_process';
import { chmodSync, createWriteStream, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { errorText } from '../../protocol/error-text.ts';

/** Where Temporal publishes its CLI; TURNGATE_TEMPORAL_DOWNLOAD names a mirror of the same form. */
const official = 'https://temporal.download/cli/archive';
const answerTimeoutMs = 10_000;
const downloadTimeoutMs = 180_000;
const unpackTimeoutMs = 60_000;
const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

export interface TemporalDownload {
  version: string;
  folder: string;
  env: NodeJS.ProcessEnv;
  say(line: string): void;
  signal: AbortSignal;
}

/**
 * Fetches the official archive of Temporal's CLI into the folder.
 * @returns undefined where `temporal` now lies in the folder, else why not, in a few words
 */
export async function downloadTemporal(options: TemporalDownload): Promise<string | undefined> {
  const { version, folder, env, say, signal } = options;
  const arch = architectures[process.arch];
  if (arch === undefined) return `Temporal publishes none for ${process.arch}`;
  const base = env.TURNGATE_TEMPORAL_DOWNLOAD || official;
  // Beside its place, so that the move at the end is one step: a half download is never taken for a whole one.
  const half = mkdtempSync(join(folder, 'download-'));
  try {
    const body = await open(`${base}/v${version}?platform=${process.platform}&arch=${arch}`);
    say(`Downloading Temporal ${version}, once (some 60 MB) ...`);
    const archive = join(half, 'temporal.tar.gz');
    await pipeline(Readable.fromWeb(body), createWriteStream(archive), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(downloadTimeoutMs)]),
    });
    await promisify(execFile)('tar', ['-xzf', archive, '-C', half, 'temporal'], { timeout: unpackTimeoutMs });
    const program = join(half, 'temporal');
    chmodSync(program, 0o755);
    renameSync(program, join(folder, 'temporal'));
    return undefined;
  } catch (error) {
    return brief(error);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
}

async function open(url: string): Promise<ReadableStream<Uint8Array>> {
  const abort = new AbortController();
  // Bounds the answer only; the body has a bound of its own.
  const timer = setTimeout(
    () => abort.abort(new Error(`no answer in ${answerTimeoutMs / 1_000} s`)),
    answerTimeoutMs,
  );
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    return response.body as ReadableStream<Uint8Array>;
  } finally {
    clearTimeout(timer);
  }
}

function brief(error: unknown): string {
  // fetch says only "fetch failed"; its cause knows the host and the reason.
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return errorText(cause ?? error).split('\n')[0] ?? '';
}
