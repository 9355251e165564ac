import { describe, expect, test } from '@jest/globals';
import { functionName, toolName } from '../../src/tools/names.ts';

const awkward = [
  'office.send_mail',
  'everything.get-env',
  'a_.b',
  'a._b',
  'a__b.c',
  'a.b__c',
  'a.b.c',
  'a.b_c',
  'a.b c',
  'a.',
  '.b',
  'nodot',
  '',
  'server.größe',
  `server.${'x'.repeat(60)}`,
  `server.${'x'.repeat(61)}`,
  'ünï.日本',
];

describe('function names', () => {
  test.each(awkward)('"%s" becomes a name that OpenAI accepts', (name) => {
    expect(functionName(name)).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
  });

  test('an ordinary name stays readable', () => {
    expect(functionName('office.send_mail')).toBe('office__send_mail');
  });

  test('no two tools share a name, and each is found again', () => {
    const names = awkward.map(functionName);
    expect(new Set(names).size).toBe(awkward.length);
    for (const [index, name] of names.entries()) expect(toolName(name, awkward)).toBe(awkward[index]);
  });

  test('the hashed form of one tool cannot be taken by the plain form of another', () => {
    const hashed = functionName('a.b.c');
    expect(hashed).not.toContain('__');
    expect(functionName(`a.${hashed}`)).not.toBe(hashed);
  });

  test('a function that the model made up is turned back as far as it goes', () => {
    expect(toolName('office__fly', awkward)).toBe('office.fly');
    expect(toolName('fly', awkward)).toBe('fly');
  });
});
