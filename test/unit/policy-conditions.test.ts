import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { decidePolicy } from '../../src/tools/policy.ts';
import { policyOf } from '../helpers/policy.ts';
import { callOf, toolOf } from '../helpers/policy-calls.ts';

/** What a rule with this condition on `/v` comes to: it allows, or it denies; `unclear` only denies. */
function outcome(condition: unknown, args: Record<string, unknown>, pointer = '/v') {
  const fits = (decide: string) => {
    const rule = { id: 'it', arguments: { [pointer]: condition }, decide };
    const call = callOf(toolOf('a.b'), { arguments: args });
    return decidePolicy(policyOf(stringify({ rules: [rule] })), call).rule === 'it';
  };
  const [allows, denies] = [fits('allow'), fits('deny')];
  if (allows) expect(denies).toBe(true);
  return allows ? 'yes' : denies ? 'unclear' : 'no';
}

test.each([
  [{ equals: { b: 1, a: [1.0] } }, { a: [1], b: 1 }, 'yes'],
  [{ equals: 1 }, '1', 'no'],
  [{ equals: null }, null, 'yes'],
  [{ not_equals: 'a' }, 'b', 'yes'],
  [{ not_equals: 'a' }, 'a', 'no'],
  [{ one_of: ['a', 2] }, 2, 'yes'],
  [{ one_of: ['a', 2] }, 'b', 'no'],
  [{ none_of: ['a', 2] }, 'b', 'yes'],
  [{ none_of: ['a', 2] }, 'a', 'no'],
  [{ matches: '@example\\.com$' }, 'bob@example.com', 'yes'],
  [{ matches: '@example\\.com$' }, 'bob@example.com.evil.org', 'no'],
  [{ matches: '(?i)@EXAMPLE\\.com$' }, 'bob@Example.COM', 'yes'],
  [{ matches: 'a' }, 1, 'unclear'],
  [{ matches: 'a' }, 'a'.repeat(16_385), 'unclear'],
  [{ not_matches: '@example\\.com$' }, 'eve@evil.org', 'yes'],
  [{ not_matches: '@example\\.com$' }, 'bob@example.com', 'no'],
  [{ not_matches: 'a' }, ['a'], 'unclear'],
  [{ starts_with: '/etc/' }, '/etc/passwd', 'yes'],
  [{ starts_with: '/etc/' }, '/var', 'no'],
  [{ ends_with: '.sh' }, 'run.sh', 'yes'],
  [{ ends_with: '.sh' }, 'run.txt', 'no'],
  [{ contains: 'secret' }, 'a secret file', 'yes'],
  [{ contains: 'secret' }, ['public', 'secret'], 'yes'],
  [{ contains: 'secret' }, ['secrets'], 'no'],
  [{ contains: { a: 1 } }, [{ a: 1 }], 'yes'],
  [{ contains: 1 }, 'text', 'unclear'],
  [{ above: 100 }, 100, 'no'],
  [{ above: 100 }, 100.5, 'yes'],
  [{ above: 100 }, '1000', 'unclear'],
  [{ at_least: 100 }, 100, 'yes'],
  [{ below: 0 }, -1, 'yes'],
  [{ below: 0 }, 0, 'no'],
  [{ at_most: 0 }, 0, 'yes'],
  [{ above: 1, below: 3 }, 2, 'yes'],
  [{ above: 1, below: 3 }, 3, 'no'],
  [{ longer_than: 3 }, 'abcd', 'yes'],
  [{ longer_than: 3 }, ['a', 'b', 'c'], 'no'],
  [{ longer_than: 3 }, 4, 'unclear'],
  [{ shorter_than: 3 }, [], 'yes'],
  [{ exists: true }, null, 'yes'],
  [{ exists: false }, null, 'no'],
  [{ any: { not_matches: '@example\\.com$' } }, ['a@example.com', 'eve@evil.org'], 'yes'],
  [{ any: { not_matches: '@example\\.com$' } }, ['a@example.com'], 'no'],
  [{ any: { matches: 'a' } }, [1, 'a'], 'yes'],
  [{ any: { matches: 'a' } }, [1, 'b'], 'unclear'],
  [{ every: { ends_with: '@example.com' } }, ['a@example.com', 'b@example.com'], 'yes'],
  [{ every: { ends_with: '@example.com' } }, ['a@example.com', 1], 'unclear'],
  [{ every: { ends_with: '@example.com' } }, ['eve@evil.org', 1], 'no'],
  [{ every: { equals: 1 } }, 1, 'unclear'],
  [{ every: { equals: 1 } }, Array(1_001).fill(1), 'unclear'],
  [{ any: { contains: 'b' } }, Array(20).fill('a'.repeat(1_000)), 'unclear'],
])('%j of %j: %s', (condition, value, expected) => {
  expect(outcome(condition, { v: value })).toBe(expected);
});

describe('a value that is missing', () => {
  test.each([
    [{ equals: 'a' }, 'unclear'],
    [{ not_equals: 'a' }, 'unclear'],
    [{ above: 1 }, 'unclear'],
    [{ exists: false }, 'yes'],
    [{ exists: true }, 'no'],
    [{ exists: true, above: 1 }, 'no'],
    [{ exists: false, above: 1 }, 'unclear'],
  ])('makes %j: %s', (condition, expected) => {
    expect(outcome(condition, {})).toBe(expected);
  });
});

test.each([
  ['/a/b', { a: { b: 'x' } }, 'yes'],
  ['/a/1', { a: ['w', 'x'] }, 'yes'],
  ['/a/01', { a: ['w', 'x'] }, 'unclear'],
  ['/a/length', { a: ['x'] }, 'unclear'],
  ['/a~1b', { 'a/b': 'x' }, 'yes'],
  ['/m~0n', { 'm~n': 'x' }, 'yes'],
  ['/~01', { '~1': 'x' }, 'yes'],
  ['/', { '': 'x' }, 'yes'],
  ['/toString', {}, 'unclear'],
  ['/__proto__/x', {}, 'unclear'],
  ['/a/b', { a: 'x' }, 'unclear'],
])('the pointer %s into %j: %s', (pointer, args, expected) => {
  expect(outcome({ equals: 'x' }, args, pointer)).toBe(expected);
});

test.each([
  ['*', 'a.b', true],
  ['a.*', 'a.b.c', true],
  ['a.*', 'ab.c', false],
  ['*.delete_*', 'files.delete_all', true],
  ['*.delete_*', 'files.undelete_all', false],
  ['a.b?d', 'a.bcd', true],
  ['a.b?d', 'a.bd', false],
  ['a.*b*c', 'a.xbxbxc', true],
  ['a.b', 'a.B', false],
  ['a.b', 'a.bc', false],
  ['a.[b]', 'a.b', false],
])('the tool pattern %s takes %s: %s', (pattern, name, takes) => {
  const policy = policyOf(stringify({ rules: [{ id: 'it', tool: pattern, decide: 'allow' }] }));
  expect(decidePolicy(policy, callOf(toolOf(name))).gate).toBe(takes ? 'allow' : 'deny');
});
