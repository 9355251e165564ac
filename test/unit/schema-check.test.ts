import { describe, expect, test } from '@jest/globals';
import { checkArguments, checkContent } from '../../src/gate/schema-words.ts';

const mail = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    to: { type: 'array', items: { type: 'string', format: 'email' } },
    kind: { enum: ['short', 'long'] },
  },
  required: ['to'],
  additionalProperties: false,
};

describe('checkArguments', () => {
  test('answers null for arguments that fit', () => {
    expect(checkArguments(mail, { to: ['a@example.com'], kind: 'long' })).toBeNull();
    expect(checkArguments({}, { anything: 1 })).toBeNull();
  });

  test.each([
    [{}, "they must have required property 'to'"],
    [{ to: ['a@example.com', 5] }, 'at /to/1 they must be string'],
    [{ to: ['nobody'] }, 'at /to/0 they must match format "email"'],
    [{ to: [], kind: 'wide' }, 'at /kind they must be equal to one of the allowed values: ["short","long"]'],
    [{ to: [], cc: [] }, 'they must NOT have additional properties: "cc"'],
  ])('names place and fault of %j', (args, words) => {
    expect(checkArguments(mail, args)).toBe(`The arguments do not fit the tool: ${words}.`);
  });

  test('changes nothing: no defaults, no other types', () => {
    const args = { n: '5' };
    const schema = { type: 'object', properties: { n: { type: 'integer' }, m: { default: 1 } } };
    expect(checkArguments(schema, args)).toContain('at /n they must be integer');
    expect(args).toEqual({ n: '5' });
  });

  test('what every object inherits is not an argument', () => {
    expect(checkArguments({ type: 'object', required: ['constructor'] }, {})).toContain('constructor');
  });

  test('reads old drafts, with and without saying so', () => {
    const old = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      definitions: { pair: { type: 'array', items: [{ type: 'string' }, { type: 'number' }] } },
      properties: { pair: { $ref: '#/definitions/pair' } },
    };
    expect(checkArguments(old, { pair: ['a', 1] })).toBeNull();
    expect(checkArguments(old, { pair: ['a', 'b'] })).toContain('at /pair/1 they must be number');
  });

  test('a pattern that is no Unicode pattern is read as it is meant', () => {
    const schema = { type: 'object', properties: { name: { type: 'string', pattern: '^[\\w-.]+$' } } };
    expect(checkArguments(schema, { name: 'a-b.c' })).toBeNull();
    expect(checkArguments(schema, { name: 'a b' })).toContain('at /name');
  });
});

describe('a schema that cannot be used is a fault in one sentence', () => {
  const deep = JSON.parse(`${'{"not":'.repeat(5_000)}{}${'}'.repeat(5_000)}`);
  const doubling = {
    $ref: '#/$defs/l0',
    $defs: Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        `l${n}`,
        n === 39 ? {} : { allOf: [{ $ref: `#/$defs/l${n + 1}` }, { $ref: `#/$defs/l${n + 1}` }] },
      ]),
    ),
  };
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['refers to a URL', { properties: { a: { $ref: 'http://127.0.0.1:9/x.json' } } }, /never fetched/],
    ['refers to nothing', { properties: { a: { $ref: '#/$defs/none' } } }, /cannot be compiled/],
    [
      'has no such type',
      { type: 'object', properties: { a: { type: 'thing' } } },
      /is not valid JSON Schema: \/properties\/a\/type/,
    ],
    ['is of a list', { type: 'array' }, /is not one of an object/],
    ['has a broken pattern', { properties: { a: { pattern: '(' } } }, /cannot be compiled/],
    ['is deep', deep, /nested more than/],
    ['is wide', { enum: Array.from({ length: 20_000 }, (_, n) => n) }, /more than 10000 parts/],
    ['is long', { description: 'x'.repeat(100_000) }, /longer than/],
    ['refers to itself without end', { $ref: '#' }, /cannot be used/],
    ['doubles with each reference', doubling, /took more than 250 ms/],
    ['is asynchronous', { $async: true }, /uses \$async/],
    [
      'takes over what another is called',
      { $id: 'http://json-schema.org/draft-07/schema', $ref: 'x' },
      /never fetched/,
    ],
  ])('one that %s', (_, schema, fault) => {
    const said = checkArguments(schema, { a: 'b' });
    expect(said).toMatch(fault);
    expect(said).toMatch(/^The arguments cannot be checked, because the schema of the tool .{1,560}[.…]$/);
  });

  test('one whose pattern matches without end is stopped', () => {
    const schema = { properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
    expect(checkArguments(schema, { a: `${'a'.repeat(60)}!` })).toContain('took more than 250 ms');
    expect(checkArguments(schema, { a: 'aaa' })).toBeNull();
  });

  test('and no other schema is in its reach', () => {
    expect(checkArguments({ $id: 'urn:tool:one', type: 'object', required: ['x'] }, {})).toContain("'x'");
    expect(checkArguments({ $id: 'urn:tool:one', type: 'object' }, {})).toBeNull();
  });
});

describe('checkContent', () => {
  const booking = {
    type: 'object',
    properties: { day: { type: 'string', format: 'date' }, room: { enum: ['small', 'large'] } },
    required: ['day'],
    additionalProperties: false,
  };

  test('what fits passes', () => {
    expect(checkContent(booking, { day: '2026-02-28', room: 'small' })).toBeNull();
  });

  test.each([
    ['red', 'Field "content": must be object'],
    [{}, `Field "content": must have required property 'day'`],
    [{ day: '2026-02-30' }, 'Field "content.day": must match format "date"'],
    [
      { day: '2026-02-28', room: 'red' },
      'Field "content.room": must be equal to one of the allowed values: ["small","large"]',
    ],
    [{ day: '2026-02-28', more: 1 }, 'Field "content": must NOT have additional properties: "more"'],
  ])('%j is told what is wrong with it', (content, words) => {
    expect(checkContent(booking, content)).toBe(`${words}.`);
  });

  test('a schema that cannot be used is said to be what is wrong', () => {
    expect(checkContent({ type: 'object', $ref: 'https://example.com/x' }, {})).toBe(
      'Field "content" cannot be checked, because the schema of the question refers to another document, which is never fetched.',
    );
  });
});
