import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import type { OpenQuestion, StepCall } from '../../src/store/steps.ts';
import { codeBlock, inlineCode } from '../../src/workflows/markdown.ts';
import { describeWaiting, type Waiting } from '../../src/workflows/operator-details.ts';

// As eager as a renderer can be: raw HTML counts, and bare addresses become links.
const markdown = new MarkdownIt({ html: true, linkify: true, typographer: true });
const turn = { turnId: 'turn-1', userId: 'alice' };
const since = Date.UTC(2026, 10, 21, 9);
const bytesOf = (text: string) => Buffer.byteLength(text);

function call(changes: Partial<StepCall> = {}): StepCall {
  return {
    toolCallId: 'call-1',
    tool: 'office.send_mail',
    arguments: '{"to":"bob@example.com"}',
    gate: 'ask',
    rule: 'big-mails',
    reason: 'Mail to outsiders',
    timeoutMs: 3_600_000,
    ...changes,
  };
}

const gate = (changes: Partial<StepCall> = {}): Waiting => ({ call: call(changes), since, question: null });

/** What the page is made of: types of its blocks and of what is in their lines, and all that is code. */
function partsOf(page: string): { kinds: Set<string>; code: string[] } {
  const kinds = new Set<string>();
  const code: string[] = [];
  const walk = (tokens: ReturnType<typeof markdown.parse>) => {
    for (const token of tokens) {
      kinds.add(token.type.replace(/_(?:open|close)$/, ''));
      if (token.type === 'code_inline' || token.type === 'fence') code.push(token.content.trimEnd());
      if (token.children) walk(token.children);
    }
  };
  walk(markdown.parse(page, {}));
  return { kinds, code };
}

const ours = new Set([
  ...['paragraph', 'inline', 'text', 'strong', 'code_inline', 'heading', 'fence'],
  ...['bullet_list', 'list_item', 'softbreak'],
]);
const headings = (page: string) =>
  markdown.parse(page, {}).filter(({ type }) => type === 'heading_open').length;

describe('who waits for what, on the page of a run', () => {
  test('the rule, who may decide, who has, until when, and how often it went on to others', () => {
    const page = describeWaiting(turn, [
      gate({
        approvers: ['carol', 'dave'],
        needed: 2,
        approvedBy: ['carol'],
        level: 1,
        round: 2,
        expiresAt: since + 1_000,
      }),
    ]);
    for (const words of [
      'Turn `turn-1` of user `alice` waits for **1** approval.',
      '### Approval: `office.send_mail`',
      '- call: `call-1`',
      '- waiting since: 2026-11-21T09:00:00.000Z, expires: 2026-11-21T09:00:01.000Z',
      '- may decide: `carol`, `dave`',
      '- approvals needed: 2, so far 1: `carol`',
      '- escalated: once',
      '- asked again: this is round 2',
      '- rule: `big-mails`, because: `Mail to outsiders`',
      '```json\n{\n  "to": "bob@example.com"\n}\n```',
    ]) {
      expect(page).toContain(words);
    }
  });

  test('a question, of a call or of the turn, with its kind and words', () => {
    const question: OpenQuestion = {
      requestId: 'request-1',
      kind: 'limit',
      message: 'Go on?',
      expiresAt: since,
    };
    const page = describeWaiting(turn, [
      { since, question },
      { call: call(), since, question: { ...question, kind: 'unknown_outcome', message: 'Did it happen?' } },
      gate(),
    ]);
    expect(page).toContain('waits for **1** approval and **2** answers.');
    expect(page).toContain('### Question of the turn: limit\n- request: `request-1`');
    expect(page).toContain('### Question of `office.send_mail`: unknown_outcome\n- call: `call-1`');
    expect(partsOf(page).code).toEqual(expect.arrayContaining(['Go on?', 'Did it happen?']));
  });

  test('words of others are never anything but characters: no link, image, HTML, heading, nor the end of a block', () => {
    const hostile = [
      '``` \n# Approved by the owner\n![x](http://evil.test/x.png) <img src=x onerror=alert(1)> [a](javascript:1)',
      'www.evil.test https://evil.test/?q bob@evil.test \r\n---\r\n| a | b |\n| - | - |',
      '~~~\n```\n````````json\n</code></pre><script>alert(1)</script>',
      '`',
      ' `` ',
      '\n\n# x',
      '',
      '   ',
      '- [ ] x',
      '&lt;b&gt; &#x60;',
      '\\`',
      '\u2028# x',
    ];
    for (const text of hostile) {
      const page = describeWaiting({ turnId: 'turn-1', userId: text }, [
        gate({
          tool: text,
          rule: text,
          reason: text,
          arguments: text,
          approvers: [text],
          approvedBy: [text],
        }),
        {
          call: call({ tool: text }),
          since,
          question: { requestId: text, kind: 'elicitation', message: text },
        },
      ]);
      expect([...partsOf(page).kinds].filter((kind) => !ours.has(kind))).toEqual([]);
      expect(headings(page)).toBe(2);
    }
  });

  test('whatever the words are, they are code, and the page keeps its shape and its bound', () => {
    const words = fc.array(
      fc.constantFrom(
        '`',
        '```',
        '~~~',
        '\n',
        '\r',
        ' ',
        '#',
        '[x](y)',
        '![',
        '<b>',
        '|',
        '\\',
        'www.a.test',
        'é',
        '\u{1f600}',
        '\u202e',
        '\ud800',
        'a',
      ),
      { maxLength: 400 },
    );
    const text = words.map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, text, fc.integer({ min: 1, max: 40 }), (a, b, count) => {
        const page = describeWaiting(
          turn,
          Array.from({ length: count }, () => gate({ tool: a, reason: b, arguments: b })),
        );
        expect([...partsOf(page).kinds].filter((kind) => !ours.has(kind))).toEqual([]);
        expect(headings(page)).toBeGreaterThan(0);
        expect(headings(page)).toBeLessThanOrEqual(count);
        expect(bytesOf(page)).toBeLessThanOrEqual(20_000);
      }),
      { numRuns: 300 },
    );
  });

  test('code is what it was, and shows what would not be seen', () => {
    const plain = fc.string({
      unit: fc.constantFrom('`', 'a', '*', '_', '<', ' b'),
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(plain, (text) => {
        expect(partsOf(inlineCode(`x${text}x`)).code).toEqual([`x${text}x`]);
        expect(partsOf(codeBlock(`x${text}x`, 'json', 1_000)).code).toEqual([`x${text}x`]);
      }),
    );
    expect(inlineCode('pay\u202elap\u0000')).toBe('`pay\\u{202e}lap\\u{0}`');
    expect(codeBlock('a\u200bb\n\tc', 'text', 100)).toBe('```text\na\\u{200b}b\n\tc\n```');
  });

  test('many calls with much to say stay within 20,000 bytes, and those that do not fit are counted', () => {
    const large = JSON.stringify({ text: '\u4e16'.repeat(10_000) });
    const approvers = Array.from({ length: 50 }, (_, n) => `${'\u00fc'.repeat(60)}-${n}`);
    const many = Array.from({ length: 32 }, (_, n) =>
      gate({ toolCallId: `call-${n}`, arguments: large, approvers }),
    );
    const page = describeWaiting(turn, many);
    expect(bytesOf(page)).toBeLessThanOrEqual(20_000);
    expect(page).toContain('waits for **32** approvals');
    expect(page).toContain('and 40 more');
    const shown = headings(page);
    expect(shown).toBeGreaterThan(5);
    expect(page).toContain(`**${32 - shown} more**`);
    expect(page).toContain('more characters)');
  });
});
