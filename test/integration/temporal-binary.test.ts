import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findTemporal, temporalVersion } from '../../src/cli/dev/temporal-binary.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

let folder: string;
let lines: string[];
let mirror: Server;
let requests: string[];
let archive: Buffer | undefined;

beforeEach(async () => {
  folder = openFolder('turngate-binary-');
  lines = [];
  requests = [];
  archive = undefined;
  mirror = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.writeHead(archive === undefined ? 404 : 200).end(archive);
  });
  mirror.listen(0, '127.0.0.1');
  await once(mirror, 'listening');
});
afterEach(() => {
  mirror.close();
  mirror.closeAllConnections();
  removeFolder(folder);
});

const script = '#!/bin/sh\necho temporal\n';
const find = (path: string) => {
  const address = mirror.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const env = {
    PATH: path,
    TURNGATE_CACHE_DIR: join(folder, 'cache'),
    TURNGATE_TEMPORAL_DOWNLOAD: `http://127.0.0.1:${port}`,
  };
  return findTemporal(env, (line) => void lines.push(line), new AbortController().signal);
};
function program(name: string, text: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), text);
  chmodSync(join(bin, name), 0o755);
  return bin;
}

describe('getting Temporal', () => {
  test('takes the one on the PATH first', async () => {
    const bin = program('temporal', script);
    expect(await find(bin)).toBe(join(bin, 'temporal'));
    expect(requests).toEqual([]);
  });

  test('downloads the official archive once, then takes it from the cache', async () => {
    const bin = program('temporal', script);
    const packed = join(folder, 'temporal.tar.gz');
    execFileSync('tar', ['-czf', packed, '-C', bin, 'temporal']);
    archive = readFileSync(packed);
    const found = await find(join(folder, 'empty'));
    expect(found).toBe(join(folder, 'cache', `temporal-${temporalVersion}`, 'temporal'));
    expect(execFileSync(found, { encoding: 'utf8' })).toBe('temporal\n');
    expect(await find(join(folder, 'empty'))).toBe(found);
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatch(/^\/v1\.5\.1\?platform=(linux|darwin)&arch=(amd64|arm64)$/);
  });

  test('a download that is no archive leaves nothing behind', async () => {
    archive = Buffer.from('not an archive');
    await expect(find(join(folder, 'empty'))).rejects.toThrow('there is no `go` on the PATH');
    expect(readdirSync(join(folder, 'cache', `temporal-${temporalVersion}`))).toEqual([]);
  });

  test('without a download it builds with Go, saying how long it may take', async () => {
    const build =
      '#!/bin/sh\n[ "$1 $2" = "install github.com/temporalio/cli/cmd/temporal@v1.5.1" ] && echo >"$GOBIN/temporal"\n';
    const found = await find(program('go', build));
    expect(readdirSync(join(found, '..'))).toEqual(['temporal']);
    expect(lines[0]).toBe('The download of Temporal failed (HTTP 404); building it with Go instead.');
    expect(lines[1]).toContain('some 3 minutes');
  });

  test('a build that fails says so with the words of Go', async () => {
    const bin = program('go', '#!/bin/sh\necho "no network" >&2; exit 1\n');
    await expect(find(bin)).rejects.toThrow(/cannot be built with .*exit code 1[\s\S]*no network/);
  });

  test('without Go either it is one sentence with what to do', async () => {
    await expect(find(join(folder, 'empty'))).rejects.toThrow(
      /its download failed \(HTTP 404\), and there is no `go` on the PATH .* Install the Temporal CLI or Go/,
    );
  });
});
