import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { errorCode, errorText } from '../protocol/error-text.ts';
import type { PolicyState } from './policy.ts';
import { POLICY_BYTES_MAX, parsePolicy, remarkText } from './policy-file.ts';

/** File systems may give two changes within this time the same time stamp. */
const SAME_STAMP_NS = 2_000_000_000n;
const faultsShown = 3;

/** The policy and which file it came from. */
export type LoadedPolicy = PolicyState & {
  /** SHA-256 (hex) of the file's bytes and, where there is one, of the default server; `missing` where there is no file. */
  revision: string;
};

export interface PolicySource {
  /**
   * The policy as the file has it now.
   * @throws what `onRevision` throws: a revision that is not on record decides nothing
   */
  current(): Promise<LoadedPolicy>;
}

interface Options {
  file: string;
  /** Whose tools are meant by patterns without a server's name. */
  defaultServer?: string | undefined;
  /** Told of each revision before anything is decided under it; called again where it failed. */
  onRevision(loaded: LoadedPolicy, text: string): Promise<void>;
}

interface Known {
  stamp: string;
  /** The file was read so soon after its last change that another one might bear the same stamp. */
  isFresh: boolean;
  loaded: LoadedPolicy;
}

/** Reads a policy file again whenever it has changed, whether it was written, replaced or mended: one `stat` a call. */
export function createPolicySource({ file, defaultServer, onRevision }: Options): PolicySource {
  let known: Known | undefined;
  let parsed: LoadedPolicy | undefined;
  let recorded: string | undefined;
  let loading: Promise<LoadedPolicy> | undefined;

  /** A file that is read again because it is fresh is mostly the same. */
  function parse(bytes: Buffer): LoadedPolicy {
    const revision = revisionOf(bytes, defaultServer);
    if (parsed?.revision !== revision) parsed = { revision, ...toState(file, bytes, defaultServer) };
    return parsed;
  }

  async function load(): Promise<LoadedPolicy> {
    const read = await readBounded(file);
    const loaded = read.ok ? parse(read.bytes) : { revision: 'missing', fault: read.fault };
    if (loaded.revision !== recorded) {
      await onRevision(loaded, read.ok ? read.bytes.toString('utf8') : '');
      recorded = loaded.revision;
    }
    known = read.ok ? { stamp: read.stamp, isFresh: read.isFresh, loaded } : undefined;
    return loaded;
  }

  return {
    async current() {
      if (known !== undefined && !known.isFresh) {
        const now = await stat(file, { bigint: true }).then(stampOf, () => '');
        if (known?.stamp === now) return known.loaded;
      }
      // Whoever asks while it is read might otherwise get what was read before the change that they know of.
      if (loading !== undefined) await loading.catch(() => undefined);
      loading ??= load().finally(() => {
        loading = undefined;
      });
      return loading;
    },
  };
}

/** The text of a policy file, or why there is none. */
export async function readPolicyText(
  file: string,
): Promise<{ ok: true; text: string } | { ok: false; fault: string }> {
  const read = await readBounded(file);
  return read.ok ? { ok: true, text: read.bytes.toString('utf8') } : read;
}

type Read = { ok: true; bytes: Buffer; stamp: string; isFresh: boolean } | { ok: false; fault: string };

async function readBounded(file: string): Promise<Read> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const stats = await handle.stat({ bigint: true });
    if (stats.size > POLICY_BYTES_MAX) {
      return { ok: false, fault: `The policy file ${file} is larger than ${POLICY_BYTES_MAX} bytes.` };
    }
    const bytes = await handle.readFile();
    const isFresh = BigInt(Date.now()) * 1_000_000n - stats.ctimeNs < SAME_STAMP_NS;
    return { ok: true, bytes, stamp: stampOf(stats), isFresh };
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is no such file' : errorText(error);
    return { ok: false, fault: `The policy file ${file} cannot be read: ${why}.` };
  } finally {
    await handle?.close();
  }
}

/** Patterns without a server's name mean something else under another default server: no approval outlives that. */
function revisionOf(bytes: Buffer, defaultServer: string | undefined): string {
  const hash = createHash('sha256').update(bytes);
  if (defaultServer !== undefined) hash.update(`\0${defaultServer}`);
  return hash.digest('hex');
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function toState(file: string, bytes: Buffer, defaultServer: string | undefined): PolicyState {
  const read = parsePolicy(bytes.toString('utf8'), { defaultServer });
  if (read.ok) return { policy: read.policy };
  const faults = read.faults.slice(0, faultsShown).map((fault) => remarkText(file, fault));
  const more = read.faults.length - faults.length;
  const rest = more > 0 ? ` (and ${more} more)` : '';
  return { fault: `The policy file is not usable: ${faults.join('; ')}${rest}.` };
}
