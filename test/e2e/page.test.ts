import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { PageHarness } from '../helpers/page-harness.ts';
import type { Piece } from '../helpers/scripted-model.ts';
import { until } from '../helpers/until.ts';

const startBoundMs = 360_000;

let at: PageHarness;
let page: Page;
let goOn: () => void = () => undefined;

function* answer(asked: string, isToolResult: boolean): Iterable<Piece> {
  if (isToolResult) yield 'It was *done*.';
  else if (asked === 'slow') {
    yield 'first half, ';
    yield {
      until: new Promise<void>((resolve) => {
        goOn = resolve;
      }),
    };
    yield 'second half';
  } else if (asked.startsWith('tool ')) {
    yield { toolCall: { name: 'test__effect', arguments: { text: asked.slice(5) } } };
  } else {
    yield '# A heading\n\nSome **bold** words, <b>no tags</b> and a [link](javascript:alert(1)).\n\n';
    yield '![picture](http://127.0.0.1:9/p.png) `code`';
  }
}

beforeAll(async () => {
  at = await PageHarness.open({
    answer: (asked, call) => answer(asked, call.messages.at(-1)?.role === 'tool'),
  });
}, startBoundMs);
afterAll(() => at?.close());
afterEach(() => at.closePage());

async function openLink(): Promise<void> {
  await at.openLink();
  page = at.page;
}

const lastAnswer = () => page.locator('.message.assistant').last();
const textOf = async () => (await lastAnswer().locator('.body').textContent())?.trim();

describe('the page', () => {
  test('is opened signed in by the printed link, and shows the first reply as Markdown and nothing worse', async () => {
    await openLink();
    expect(page.url()).not.toContain('token');
    await at.say('hello');
    await page.getByRole('heading', { name: 'A heading' }).waitFor();
    await page.locator('.message.assistant[data-state="done"]').waitFor();
    const body = lastAnswer().locator('.body');
    expect(await body.locator('strong').textContent()).toBe('bold');
    expect(await body.locator('code').textContent()).toBe('code');
    expect(await body.textContent()).toContain('<b>no tags</b>');
    expect(await body.locator('b, img').count()).toBe(0);
    // What names a script is text; what names a picture is a link, and nothing loads it.
    expect(await body.locator('a').getAttribute('href')).toBe('http://127.0.0.1:9/p.png');
    expect(await page.locator('.message.user .body').textContent()).toBe('hello');
    await until(
      async () =>
        (await page.locator('.session[aria-current="true"]').textContent())?.startsWith('hello') === true,
    );
    expect(at.faults).toEqual([]);
  });

  test('asks for an approval, shows what runs, and the result', async () => {
    await openLink();
    await at.newSession();
    await at.say('tool buy milk');
    const card = page.locator('.tool');
    await card.getByRole('button', { name: 'Approve' }).waitFor();
    // The list says which session waits, also when another one is looked at.
    await page.locator('li[data-waits] .session[aria-current="true"]').waitFor();
    expect(await card.locator('pre').first().textContent()).toContain('buy milk');
    // It waits through a reload, and is decided in the page that was loaded after it.
    await page.reload();
    await card.getByRole('button', { name: 'Approve' }).click();
    await page.locator('.tool[data-status="completed"]').waitFor();
    await until(async () => (await page.locator('li[data-waits]').count()) === 0);
    expect(await page.locator('.session[aria-current="true"] .title').textContent()).toBe('tool buy milk');
    await until(async () => (await textOf()) === 'It was done.');
    expect(await card.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    expect(at.faults).toEqual([]);
  });

  test('rejects with a reason', async () => {
    await openLink();
    await at.newSession();
    await at.say('tool sell the house');
    await page.getByPlaceholder('Reason').fill('not today');
    await page.getByRole('button', { name: 'Reject' }).click();
    await page.locator('.tool[data-status="rejected"]').waitFor();
    await until(async () => (await page.locator('.tool').textContent())?.includes('not today') === true);
  });

  test('is reloaded in mid-stream and goes on where it was', async () => {
    await openLink();
    await at.newSession();
    await at.say('slow');
    await until(async () => (await textOf()) === 'first half,');
    await page.reload();
    await page.locator('.message.assistant[data-state="streaming"]').waitFor();
    await until(async () => (await textOf()) === 'first half,');
    goOn();
    await until(async () => (await textOf()) === 'first half, second half');
    await page.locator('.message.assistant[data-state="done"]').waitFor();
    expect(await page.locator('.message').count()).toBe(2);
  });

  test('says that the gateway is gone, and comes back with it: what was written meanwhile is sent', async () => {
    await openLink();
    await at.newSession();
    await at.say('slow');
    await until(async () => (await textOf()) === 'first half,');
    process.kill(at.run.info().processes.gateway ?? 0, 'SIGKILL');
    await page.locator('.conversation:not([data-connection="open"])').waitFor();
    await at.say('hello');
    goOn();
    await page.locator('.conversation[data-connection="open"]').waitFor();
    await page.getByRole('heading', { name: 'A heading' }).waitFor();
    const users = await page.locator('.message.user .body').allTextContents();
    expect(users).toEqual(['slow', 'hello']);
    const first = await page.locator('.message.assistant .body').first().textContent();
    expect(first?.trim()).toBe('first half, second half');
    expect(at.faults).toEqual([]);
  });

  test('asks for a token where it has none that is accepted, and takes one', async () => {
    await at.openAt(`${at.run.info().http}/#token=not-a-token`);
    page = at.page;
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Token').fill(at.run.info().token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.conversation[data-connection="open"]').waitFor();
  });
});
