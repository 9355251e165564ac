import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { priceOf } from '../../src/protocol/turn-limits.ts';
import { parseLimits } from '../../src/tools/limits-file.ts';
import { openLimits } from '../../src/tools/limits-source.ts';

const parse = (text: string) => parseLimits(text, { file: 'limits.yaml', maxSteps: 25 });

test('reads the example of docs/limits.md', () => {
  const limits = parse(`
turn:                    # of one turn
  steps: 30
  tool_calls: 50
  tokens: 200000
  cost: 1.00
  wall_time: 30m
user_day:
  cost: 10.00
prices:
  gpt-4.1-mini: { input_per_million: 0.40, output_per_million: 1.60 }
`);
  expect(limits.turn).toEqual({
    steps: 30,
    tool_calls: 50,
    tokens: 200_000,
    cost: 1,
    wall_time_ms: 1_800_000,
  });
  expect(limits.userDay).toEqual({ cost: 10 });
  expect(priceOf(limits, 'gpt-4.1-mini')).toEqual({ inputPerMillion: 0.4, outputPerMillion: 1.6 });
  expect(priceOf(limits, 'constructor')).toBeUndefined();
});

test.each(['', '{}', 'turn:\nuser_day:\n', '# nothing'])(
  'a file that says nothing limits the steps: %j',
  (text) => {
    expect(parse(text)).toEqual({ turn: { steps: 25 }, userDay: {}, prices: new Map() });
  },
);

test('takes what nobody may go beyond, and nothing is beyond a limit of its own size', () => {
  const { atMost } = parse('turn: { tokens: 5 }\nat_most: { turn: { steps: 25, tokens: 9 }, user_day: }');
  expect(atMost).toEqual({ turn: { steps: 25, tokens: 9 }, userDay: {} });
});

test.each([
  ['turn: { step: 3 }', /turn: .*"step"/],
  ['turns: {}', /the file: .*"turns"/],
  ['turn: { steps: 0 }', /turn\.steps: must be at least 1/],
  ['turn: { steps: 2.5 }', /turn\.steps: must be a whole number/],
  ['turn: { steps: "25" }', /turn\.steps: must be a whole number/],
  ['user_day: { cost: -1 }', /user_day\.cost: must be more than 0/],
  ['user_day: { cost: .nan }', /user_day\.cost: must be a number/],
  ['turn: { wall_time: 90 }', /turn\.wall_time: must be a time such as `90s`/],
  ['turn: { wall_time: 0s }', /turn\.wall_time: must be a time such as `90s`/],
  ['turn: { wall_time: 2w }', /turn\.wall_time: must be a time such as `90s`/],
  ['prices: { m: { input_per_million: 1 } }', /prices\.m\.output_per_million/],
  ['prices: { m: { input_per_million: -1, output_per_million: 1 } }', /must not be negative/],
  ['turn: { cost: 1 }', /bound the cost, but `prices` names no model/],
  ['at_most: { turn: { steps: 24 } }', /at_most\.turn\.steps: must not be less than turn\.steps/],
  ['at_most: { user_day: { cost: 1 } }', /at_most\.user_day\.cost: needs user_day\.cost, at which/],
  ['turn: { wall_time: 1h }\nat_most: { turn: { wall_time: 59m } }', /at_most\.turn\.wall_time: must not/],
  ['at_most: { day: {} }', /at_most: .*"day"/],
  ['just text', /the file: /],
  ['turn: [', /not valid YAML/],
])('says what is wrong with %s', (text, message) => {
  expect(() => parse(text)).toThrow(message);
  expect(() => parse(text)).toThrow(/limits\.yaml/);
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'turngate-limits-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('picks up a change; one that is not usable changes nothing, and is logged once', async () => {
  const file = join(folder, 'limits.yaml');
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  writeFileSync(file, 'turn: { steps: 3 }');
  const source = await openLimits({ file, maxSteps: 25, logger });
  expect((await source.current()).turn).toEqual({ steps: 3 });
  writeFileSync(file, 'turn: { steps: 4 }');
  expect((await source.current()).turn).toEqual({ steps: 4 });
  writeFileSync(file, 'turn: { steps: none }');
  for (const _ of ['once', 'again']) expect((await source.current()).turn).toEqual({ steps: 4 });
  rmSync(file);
  for (const _ of ['once', 'again']) expect((await source.current()).turn).toEqual({ steps: 4 });
  writeFileSync(file, 'turn: { tokens: 9 }');
  expect((await source.current()).turn).toEqual({ steps: 25, tokens: 9 });
  expect(lines).toEqual([
    'the limits have changed',
    expect.stringMatching(/turn\.steps: must be a whole number.*from before go on to count/),
    expect.stringMatching(/there is no such file.*from before go on to count/),
    'the limits have changed',
  ]);
});

test('a process does not start with limits that it cannot read', async () => {
  const logger = pino({ level: 'silent' });
  const opened = openLimits({ file: join(folder, 'none.yaml'), maxSteps: 25, logger });
  await expect(opened).rejects.toThrow(/none\.yaml: there is no such file.*TURNGATE_LIMITS/);
});
