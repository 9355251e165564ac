import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { temporalSpec } from '../../src/cli/dev/temporal-server.ts';

test('Temporal has the same settings in turngate dev and in Compose', () => {
  const file = parse(
    readFileSync(new URL('../../deploy/temporal-dynamic-config.yaml', import.meta.url), 'utf8'),
  );
  const inFile = Object.entries<[{ value: unknown }]>(file).map(
    ([name, [{ value }]]) => [name, value] as const,
  );
  const options = { binary: 'temporal', port: 1, uiPort: 2, logFile: 'log' };
  const { args } = temporalSpec({ ...options, searchAttributes: {} });
  const inDev = args.flatMap((arg, index) => {
    if (args[index - 1] !== '--dynamic-config-value') return [];
    const at = arg.indexOf('=');
    return [[arg.slice(0, at), JSON.parse(arg.slice(at + 1))]];
  });
  expect(inDev.length).toBeGreaterThan(0);
  expect(new Map(inFile)).toEqual(new Map(inDev as never));
});
