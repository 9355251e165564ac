import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPolicySource } from '../../src/tools/policy-source.ts';

const allowing = 'rules: [{ id: all, decide: allow }]';
const denying = 'rules: [{ id: none, decide: deny }]';
let dir = '';
let file = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'turngate-policy-'));
  file = join(dir, 'policy.yaml');
});
afterEach(() => rm(dir, { recursive: true }));

function open(onRevision: (revision: string) => Promise<void> = async () => undefined) {
  const seen: string[] = [];
  const source = createPolicySource({
    file,
    async onRevision({ revision }) {
      await onRevision(revision);
      seen.push(revision);
    },
  });
  const rule = async () => {
    const loaded = await source.current();
    return 'policy' in loaded ? loaded.policy.rules[0]?.id : loaded.fault;
  };
  return { source, seen, rule };
}

describe('the policy that is in force', () => {
  test('is that of the file now: written, replaced, broken, mended, removed, back', async () => {
    await writeFile(file, allowing);
    const { rule, seen } = open();
    expect(await rule()).toBe('all');
    // The same length, at once: a file system may give both the same time stamp.
    await writeFile(file, denying.replace('deny', 'deny '));
    expect(await rule()).toBe('none');
    await writeFile(join(dir, 'next'), allowing);
    await rename(join(dir, 'next'), file);
    expect(await rule()).toBe('all');
    await writeFile(file, 'rules: [');
    expect(await rule()).toMatch(/policy\.yaml:1: the file: is not valid YAML/);
    await writeFile(file, denying);
    expect(await rule()).toBe('none');
    await rm(file);
    expect(await rule()).toMatch(/policy\.yaml cannot be read: there is no such file/);
    await writeFile(file, denying);
    expect(await rule()).toBe('none');
    expect(seen).toHaveLength(7);
    expect(new Set(seen).size).toBe(5);
  });

  test('is that of the file now also where it had not been touched for a while, and is not read again for nothing', async () => {
    await writeFile(file, allowing);
    const { rule, source } = open();
    while (Date.now() - (await stat(file)).ctimeMs <= 2_000) await delay(50);
    expect(await rule()).toBe('all');
    expect(await source.current()).toBe(await source.current());
    await writeFile(file, denying);
    expect(await rule()).toBe('none');
  });

  test('is another revision under another default server, and none but that of its bytes without one', async () => {
    await writeFile(file, 'rules: [{ id: mail, tool: send_mail, decide: ask }]');
    const under = async (defaultServer?: string) => {
      const source = createPolicySource({ file, defaultServer, onRevision: async () => undefined });
      return (await source.current()).revision;
    };
    const revisions = await Promise.all([under(), under('office'), under('bank'), under('office')]);
    expect(new Set(revisions).size).toBe(3);
    expect(revisions[1]).toBe(revisions[3]);
    expect(revisions[0]).toBe(
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    );
  });

  test('two texts of one length written one right after the other are never mixed up', async () => {
    const [one, other] = [allowing, 'rules: [{ id: few, decide: allow }]'];
    const { rule } = open();
    for (let round = 0; round < 50; round += 1) {
      await writeFile(file, round % 2 === 0 ? one : other);
      expect(await rule()).toBe(round % 2 === 0 ? 'all' : 'few');
    }
  });

  test('is that behind a link, also when the link is turned, as Kubernetes does it', async () => {
    await writeFile(join(dir, 'one.yaml'), allowing);
    await writeFile(join(dir, 'other.yaml'), denying);
    const { rule } = open();
    for (const [target, expected] of [
      ['one.yaml', 'all'],
      ['other.yaml', 'none'],
      ['nowhere.yaml', expect.stringMatching(/there is no such file/)],
      ['one.yaml', 'all'],
    ] as const) {
      await symlink(target, join(dir, 'turned'));
      await rename(join(dir, 'turned'), file);
      expect(await rule()).toEqual(expected);
    }
  });

  test('has its revision on record before it is given to anybody', async () => {
    await writeFile(file, allowing);
    let isAway = true;
    const { source, seen } = open(async () => {
      if (isAway) throw new Error('The store is away.');
    });
    await expect(source.current()).rejects.toThrow('The store is away.');
    expect(seen).toEqual([]);
    isAway = false;
    const loaded = await Promise.all([source.current(), source.current(), source.current()]);
    expect(loaded.map(({ revision }) => revision)).toEqual(Array(3).fill(seen[0]));
    expect(seen).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  test('is not read where it is too large', async () => {
    await writeFile(file, `${allowing}\n#${'x'.repeat(1024 * 1024)}`);
    expect(await open().rule()).toMatch(/is larger than 1048576 bytes/);
  });
});
