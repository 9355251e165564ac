import { expect, test } from '@jest/globals';
import { type FormField, formFields, readField } from '../../src/client/index.ts';

const room = {
  type: 'object',
  properties: {
    room: { type: 'string', title: 'Room', enum: ['Birch', 'Cedar'], enumNames: ['Birch, 4 seats'] },
    floor: { oneOf: [{ const: 'g', title: 'Ground floor' }, { const: 's' }] },
    guests: { type: 'integer', description: 'how many' },
    budget: { type: 'number', default: 2.5 },
    coffee: { type: 'boolean' },
    note: { type: 'string' },
  },
  required: ['room', 'note'],
};
const fields = formFields(room) ?? [];
const field = (name: string) => fields.find((one) => one.name === name) as FormField;

test('a simple schema is a form: titles, kinds, choices, what is needed and what is usual', () => {
  expect(
    fields.map(({ name, title, kind, isRequired, standard }) => [name, title, kind, isRequired, standard]),
  ).toEqual([
    ['room', 'Room', 'choice', true, undefined],
    ['floor', 'floor', 'choice', false, undefined],
    ['guests', 'guests', 'integer', false, undefined],
    ['budget', 'budget', 'number', false, 2.5],
    ['coffee', 'coffee', 'boolean', false, undefined],
    ['note', 'note', 'text', true, undefined],
  ]);
  expect(field('room').choices).toEqual([
    { value: 'Birch', title: 'Birch, 4 seats' },
    { value: 'Cedar', title: 'Cedar' },
  ]);
  expect(field('floor').choices).toEqual([
    { value: 'g', title: 'Ground floor' },
    { value: 's', title: 's' },
  ]);
  expect(field('guests').description).toBe('how many');
});

test.each([
  ['nothing', null],
  ['a list', { type: 'array', items: { type: 'string' } }],
  ['a list inside', { type: 'object', properties: { to: { type: 'array' } } }],
  ['an object inside', { type: 'object', properties: { to: { type: 'object' } } }],
  ['several types', { type: 'object', properties: { to: { type: ['string', 'null'] } } }],
  ['properties that are none', { type: 'object', properties: { to: true } }],
])('%s is no form', (_name, schema) => {
  expect(formFields(schema)).toBeNull();
});

test.each([
  ['guests', ' 3 ', { value: 3 }],
  ['guests', '3.5', { fault: 'guests: must be a whole number.' }],
  ['guests', '', { value: undefined }],
  ['budget', '1e3', { value: 1_000 }],
  ['budget', 'much', { fault: 'budget: must be a number.' }],
  ['coffee', 'Yes', { value: true }],
  ['coffee', 'false', { value: false }],
  ['coffee', 'perhaps', { fault: 'coffee: yes or no.' }],
  ['room', 'Birch, 4 seats', { value: 'Birch' }],
  ['room', 'Cedar', { value: 'Cedar' }],
  ['room', 'Oak', { fault: 'Room: choose one of those that are offered.' }],
  ['room', '', { fault: 'Room: is needed.' }],
  ['note', ' two\nlines ', { value: ' two\nlines ' }],
  ['note', '', { value: '' }],
])('%s written as %j is %j', (name, text, read) => {
  expect(readField(field(name), text)).toEqual(read);
});
