import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { argumentsHash } from '../../src/gate/hashes.ts';
import { parseArguments } from '../../src/tools/arguments.ts';

describe('argumentsHash', () => {
  test('is the SHA-256 of the canonical JSON', () => {
    const canonical = '{"a":[1,{"x":"é","y":1e+21}],"b":true}';
    const expected = createHash('sha256').update(canonical).digest('hex');
    expect(argumentsHash({ b: true, a: [1, { y: 1e21, x: 'é' }] })).toBe(expected);
  });

  test('does not depend on key order or spelling, but on every value', () => {
    const one = argumentsHash(JSON.parse('{"to":"a","n":1.0}'));
    expect(argumentsHash({ n: 1, to: 'a' })).toBe(one);
    expect(argumentsHash({ n: 1, to: 'b' })).not.toBe(one);
  });
});

describe('parseArguments', () => {
  test('reads an object', () => {
    expect(parseArguments('{"to": "a@example.com"}')).toEqual({
      ok: true,
      arguments: { to: 'a@example.com' },
    });
  });

  test('takes nothing as no arguments', () => {
    expect(parseArguments('')).toEqual({ ok: true, arguments: {} });
  });

  test('cleans what Postgres refuses', () => {
    expect(parseArguments('{"a\\u0000": "x\\ud800"}')).toEqual({
      ok: true,
      arguments: { 'a\uFFFD': 'x\uFFFD' },
    });
  });

  test.each([
    ['{"to": ', 'not valid JSON'],
    ['[1]', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
    ['"text"', 'must be a JSON object'],
    ['{"n": 1e999}', 'number that is too large'],
    [`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, 'nested more than 64'],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'nested more than 64'],
    [`{"a": "${'x'.repeat(300_000)}"}`, 'longer than'],
  ])('refuses what is no object of sane size (%#)', (text, why) => {
    const parsed = parseArguments(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.error).toContain(why);
  });

  test('keeps a key called __proto__ as data', () => {
    const parsed = parseArguments('{"__proto__": {"polluted": true}}');
    expect(parsed.ok && Object.keys(parsed.arguments)).toEqual(['__proto__']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});
