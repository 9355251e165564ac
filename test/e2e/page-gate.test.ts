import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { type Client, createClient } from '../../src/client/index.ts';
import { devToken } from '../helpers/dev-token.ts';
import { PageHarness } from '../helpers/page-harness.ts';
import type { Piece } from '../helpers/scripted-model.ts';
import { until } from '../helpers/until.ts';

const startBoundMs = 360_000;
const policy = `
trusted_servers: [test]
rules:
  - id: two-keys
    tool: test.effect
    arguments: { /text: { starts_with: two } }
    decide: ask
    approvers: { roles: [owner, member] }
    needed: 2
  - id: ask-by-default
    decide: ask
    remember: session
`;

let at: PageHarness;
let page: Page;
let bob: Client;

/** `tool …` calls the tool whose effects are written down. */
function* answer(asked: string, isToolResult: boolean): Iterable<Piece> {
  if (isToolResult) yield 'It was done.';
  else yield { toolCall: { name: 'test__effect', arguments: { text: asked.slice(5) } } };
}

beforeAll(async () => {
  at = await PageHarness.open({
    answer: (asked, call) => answer(asked, call.messages.at(-1)?.role === 'tool'),
    policy,
  });
  bob = createClient({ url: at.run.info().http, token: await devToken(at.run, 'bob') });
}, startBoundMs);
afterAll(() => at?.close());
afterEach(() => at.closePage());

/** A new session in which `words` have come to a gate. */
async function comeToGate(words: string, join?: string): Promise<string> {
  await at.openLink();
  page = at.page;
  const id = await at.newSession();
  if (join !== undefined) {
    const { http, token } = at.run.info();
    await createClient({ url: http, token }).sessions.change(id, { participants: { [join]: 'member' } });
  }
  await at.say(words);
  await button('Approve').waitFor();
  return id;
}

const button = (name: string) => page.locator('.tool').getByRole('button', { name, exact: true });
const field = (name: string) => page.locator(`[data-field="${name}"]`).locator('input, textarea, select');
const isDone = () => page.locator('.tool[data-status="completed"]').waitFor();
const said = (words: string) => page.getByText(words).first().waitFor();

describe('an approval in the page', () => {
  test('is given with other arguments: both are shown, and what was written is what runs', async () => {
    await comeToGate('tool buy milk');
    await said('Appends a line to the effects file');
    await said('says the rule "ask-by-default"');
    await button('Edit').click();
    expect(await field('text').inputValue()).toBe('buy milk');
    await field('wait_ms').fill('200000');
    await button('Approve').click();
    // What does not fit is said where it was written, which stays.
    await said('wait_ms');
    await field('wait_ms').fill('');
    await field('text').fill('buy <b>oat</b> milk');
    await button('Approve').click();
    await isDone();
    expect(at.effects()).toEqual(['buy <b>oat</b> milk']);
    expect(await page.locator('.tool .arguments').textContent()).toContain('buy <b>oat</b> milk');
    expect(await page.locator('.tool b').count()).toBe(0);
    const original = page.locator('.tool .original');
    expect(await original.textContent()).toContain('"buy milk"');
    await page.reload();
    await isDone();
    expect(await original.textContent()).toContain('"buy milk"');
    await said('approved by dev');
    expect(at.faults).toEqual([]);
  });

  test('hides nothing of what is to run: marks are escapes, long lines are wrapped, an edit keeps both', async () => {
    const text = `invoice\u202egpj.${'-'.repeat(600)}exe`;
    await comeToGate(`tool ${text}`);
    const shown = page.locator('.tool .arguments');
    expect(await shown.textContent()).toContain(String.raw`"invoice\u202egpj.`);
    const isWhole = (box: { scrollWidth: number; clientWidth: number }) => box.scrollWidth <= box.clientWidth;
    expect(await shown.evaluate(isWhole)).toBe(true);
    await button('Edit').click();
    expect(await page.locator('.tool').getByLabel('JSON').inputValue()).toContain(String.raw`\u202e`);
    await button('Approve').click();
    await isDone();
    expect(at.effects()).toContain(text);
    expect(await page.locator('.tool .original').isVisible()).toBe(false);
  });

  test('is remembered for the session, as far as the rule lets it: the next call is not asked about', async () => {
    await comeToGate('tool first');
    await page.getByLabel('Remember').selectOption('session');
    expect(await page.getByLabel('Remember').locator('option').allTextContents()).toHaveLength(2);
    await button('Approve').click();
    await isDone();
    await said('remembered for this session');
    await at.say('tool second');
    await until(async () => (await page.locator('.tool[data-status="completed"]').count()) === 2);
    expect(at.effects()).toEqual(expect.arrayContaining(['first', 'second']));
  });

  test('of two people is counted, and asked again when one of them changes what is to run', async () => {
    const sessionId = await comeToGate('tool two keys', 'bob');
    await said('0 of 2 approvals.');
    expect(await page.getByLabel('Remember').isVisible()).toBe(false);
    await button('Approve').click();
    await said('1 of 2 approvals (dev).');
    await said('You have approved it; others have to as well.');
    await page.reload();
    await said('You have approved it; others have to as well.');
    expect(await button('Approve').isVisible()).toBe(false);
    const session = bob.session(sessionId);
    try {
      await until(() => Object.keys(session.getSnapshot().toolCalls).length === 1);
      const [id = ''] = Object.keys(session.getSnapshot().toolCalls);
      const edited = { text: 'two locks', wait_ms: 0 };
      await session.decide(id, { approved: true, arguments: edited });
      await said('Asked again because somebody changed what is to run.');
      await said('1 of 2 approvals (bob).');
      expect(await page.locator('.tool .arguments').textContent()).toContain('two locks');
      await button('Approve').click();
      await isDone();
      expect(at.effects()).toContain('two locks');
      expect(at.effects()).not.toContain('two keys');
    } finally {
      session.close();
    }
  });

  test('somebody else was quicker: what they decided is shown, and nothing is left to press', async () => {
    const sessionId = await comeToGate('tool quick', 'bob');
    const [asked] = (await bob.approvals.list()).approvals.filter((one) => one.session_id === sessionId);
    await bob.approvals.decide(asked?.tool_call_id ?? '', { approved: false, reason: 'not this one' });
    await page.locator('.tool[data-status="rejected"]').waitFor();
    await said('rejected by bob');
    await said('not this one');
    expect(await button('Approve').isVisible()).toBe(false);
  });
});
