import { describe, expect, test } from '@jest/globals';
import { callToolAnswer, toOutcome } from '../../src/tools/mcp-result.ts';

const outcome = (answer: object, maxChars = 10_000) =>
  toOutcome('a.b', callToolAnswer.parse(answer), maxChars);
const image = { type: 'image', mimeType: 'image/png', data: Buffer.alloc(3_000).toString('base64') };

describe('what a model reads', () => {
  test.each([
    [{ type: 'text', text: 'words' }, 'words'],
    [image, '[image: image/png, 3000 bytes]'],
    [{ type: 'audio', mimeType: 'audio/wav', data: 'AAAA' }, '[audio: audio/wav, 3 bytes]'],
    [{ type: 'resource', resource: { uri: 'file:///a', text: 'inside' } }, 'inside'],
    [
      { type: 'resource', resource: { uri: 'file:///a.pdf', mimeType: 'application/pdf', blob: 'AAA=' } },
      '[resource: file:///a.pdf, application/pdf, 2 bytes]',
    ],
    [{ type: 'resource_link', uri: 'file:///a', name: 'a' }, '[link: a, file:///a]'],
    [
      { type: 'resource_link', uri: 'file:///a', name: 'a', title: 'A', description: 'The a.' },
      '[link: A, file:///a, The a.]',
    ],
    [{ type: 'hologram' }, '[hologram: cannot be shown as text]'],
    [{ type: 'image' }, '[image: cannot be shown as text]'],
  ])('%j', (part, text) => {
    expect(outcome({ content: [part] })).toMatchObject({ status: 'completed', text });
  });

  test('structured content where there is no other', () => {
    expect(outcome({ structuredContent: { a: 1 } }).text).toBe('{"a":1}');
    expect(outcome({ content: [{ type: 'text', text: 'a is 1' }], structuredContent: { a: 1 } }).text).toBe(
      'a is 1',
    );
  });

  test('of a failure, the words, or that there are none', () => {
    const error = (message: string) => ({ status: 'failed', error: { code: 'tool_error', message } });
    expect(outcome({ isError: true, content: [{ type: 'text', text: 'no ink' }] })).toMatchObject(
      error('no ink'),
    );
    expect(outcome({ isError: true })).toMatchObject(error('a.b failed and did not say why.'));
  });
});

describe('what is stored', () => {
  test('is the answer as it came, without what is only for the protocol', () => {
    const content = [{ type: 'text', text: 'a' }, image];
    expect(outcome({ content, structuredContent: { a: 1 }, _meta: { x: 1 } })).toMatchObject({
      result: { content, structuredContent: { a: 1 } },
    });
  });

  test('above the bound, the answer without its bytes', () => {
    const content = [{ type: 'text', text: 'a' }, image];
    expect(outcome({ content }, 1_000)).toMatchObject({
      result: { content: [content[0], { type: 'text', text: '[image: image/png, 3000 bytes]' }], cut: true },
    });
  });

  test('and if that is too much, its text, cut and marked', () => {
    const long = outcome({ content: [{ type: 'text', text: 'x'.repeat(5_000) }] }, 1_000);
    const text = `${'x'.repeat(1_000)}\n[cut here: the result has 5000 characters, 1000 are shown]`;
    expect(long).toMatchObject({ text, result: { content: [{ type: 'text', text }], cut: true } });
  });
});
