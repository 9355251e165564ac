import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadAgent, mayUse } from '../../src/tools/agent.ts';

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
        'description: Does everything.',
        'temperature: 0.5',
        'max_output_tokens: 100',
        'tools: [office.read_*]',
        'instructions: Be kind.',
        'model: some-model',
        'vision: false',
        'servers: [office]',
      ].join('\n'),
    );
    expect(await loadAgent(dir, 'full')).toEqual({
      name: 'full',
      description: 'Does everything.',
      temperature: 0.5,
      max_output_tokens: 100,
      tools: ['office.read_*'],
      instructions: 'Be kind.',
      model: 'some-model',
      vision: false,
      servers: ['office'],
    });
  });

  test('takes what is not said as usual', async () => {
    await write('small', 'name: small\ninstructions: x\nmodel: m\n');
    expect(await loadAgent(dir, 'small')).toEqual({
      name: 'small',
      instructions: 'x',
      model: 'm',
      vision: true,
    });
  });

  test.each([
    ['misspelt', 'name: a\ninstructions: x\nmodel: m\nserver: [a]', /misspelt\.yaml.*server/],
    ['rules', 'name: a\ninstructions: x\nmodel: m\npolicy: {}', /policy: .*policy\.yaml.*TURNGATE_POLICY/],
    ['missing', 'name: a\ninstructions: x\n', /missing\.yaml.*model: /],
    ['warm', 'name: warm\ninstructions: x\nmodel: m\ntemperature: 3\n', /warm\.yaml.*temperature: /],
    [
      'bare',
      'name: bare\ninstructions: x\nmodel: m\ntools: [send]\n',
      /bare\.yaml.*tools\.0: must be `server\.tool`/,
    ],
    ['copied', 'name: full\ninstructions: x\nmodel: m\n', /copied\.yaml.*name: must be "copied".*not "full"/],
    ['scalar', 'just text', /scalar\.yaml.*the file: /],
    ['broken', 'name: [', /broken\.yaml is not valid YAML/],
  ])('names file and field of what is wrong: %s', async (name, text, message) => {
    await write(name, text);
    await expect(loadAgent(dir, name)).rejects.toThrow(message);
  });

  test('says when there is no such agent', async () => {
    await expect(loadAgent(dir, 'nobody')).rejects.toThrow(
      /no agent "nobody": no nobody\.yaml is in the folder/,
    );
  });

  test.each(['../secret', 'a/b', '', '.hidden', 'x'.repeat(65)])('refuses the name "%s"', async (name) => {
    await expect(loadAgent(dir, name)).rejects.toThrow("cannot be an agent's name");
  });
});

test.each([
  [{}, 'a.read', true],
  [{ servers: ['a'] }, 'a.read', true],
  [{ servers: ['b'] }, 'a.read', false],
  [{ tools: ['a.read_*'] }, 'a.read_all', true],
  [{ tools: ['a.read_*'] }, 'a.write', false],
  [{ tools: ['*'] }, 'a.write', true],
  [{ servers: ['b'], tools: ['*'] }, 'a.read', false],
])('%o may use %s: %s', async (limits, name, may) => {
  const definition = { name: 'limited', instructions: 'x', model: 'm', ...limits };
  await write('limited', JSON.stringify(definition));
  expect(mayUse(await loadAgent(dir, 'limited'), { name, server: 'a' })).toBe(may);
});
