import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadAgent } from '../../src/tools/agent.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'turngate-agents-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFile(join(dir, `${name}.yaml`), text);

describe('loadAgent', () => {
  test('reads a definition', async () => {
    await write(
      'full',
      [
        'name: full',
        'instructions: Be kind.',
        'model: some-model',
        'vision: false',
        'servers: [office]',
        'policy: { trusted_servers: [office], deny: [everything.get-env, "legacy.*"] }',
      ].join('\n'),
    );
    expect(await loadAgent(dir, 'full')).toEqual({
      name: 'full',
      instructions: 'Be kind.',
      model: 'some-model',
      vision: false,
      servers: ['office'],
      policy: { trusted_servers: ['office'], deny: ['everything.get-env', 'legacy.*'] },
    });
  });

  test('trusts nobody where the file names nobody', async () => {
    await write('small', 'name: small\ninstructions: x\nmodel: m\n');
    const { policy, vision } = await loadAgent(dir, 'small');
    expect(vision).toBe(true);
    expect(policy).toEqual({ trusted_servers: [], deny: [] });
  });

  test.each([
    ['misspelt', 'name: a\ninstructions: x\nmodel: m\npolicy: { denny: [a.b] }', /misspelt\.yaml.*denny/],
    ['pattern', 'name: a\ninstructions: x\nmodel: m\npolicy: { deny: ["*"] }', /policy\.deny\.0: must be/],
    ['missing', 'name: a\ninstructions: x\n', /missing\.yaml.*model: /],
    ['scalar', 'just text', /scalar\.yaml.*the file: /],
    ['broken', 'name: [', /broken\.yaml is not valid YAML/],
  ])('names file and field of what is wrong: %s', async (name, text, message) => {
    await write(name, text);
    await expect(loadAgent(dir, name)).rejects.toThrow(message);
  });

  test('says when there is no such agent', async () => {
    await expect(loadAgent(dir, 'nobody')).rejects.toThrow(/"nobody".*nobody\.yaml: there is no such file/);
  });

  test.each(['../secret', 'a/b', '', '.hidden', 'x'.repeat(65)])('refuses the name "%s"', async (name) => {
    await expect(loadAgent(dir, name)).rejects.toThrow("cannot be an agent's name");
  });
});
