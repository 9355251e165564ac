import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { buildPage } from '../../scripts/build-page.ts';
import { openChromium } from '../helpers/chromium.ts';
import { type DevRun, repository, startDev, stopDev } from '../helpers/dev.ts';
import { type Piece, type ScriptedModel, startScriptedModel } from '../helpers/scripted-model.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { until } from '../helpers/until.ts';

const testMcp = fileURLToPath(new URL('../helpers/test-mcp.ts', import.meta.url));
const startBoundMs = 360_000;
const screens = process.env.PAGE_SCREENS;

let folder: string;
let run: DevRun;
let model: ScriptedModel;
let browser: Browser;
let page: Page;
/** What the page's own console said against it. */
let faults: string[];
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
  await buildPage(join(repository, 'dist', 'page'));
  browser = await openChromium();
  folder = openFolder('turngate-page-');
  model = await startScriptedModel((call) => {
    const asked = String(call.messages.findLast(({ role }) => role === 'user')?.content);
    return answer(asked, call.messages.at(-1)?.role === 'tool');
  });
  const effects = join(folder, 'effects.jsonl');
  writeFileSync(effects, '', { mode: 0o666 });
  const test = { command: process.execPath, args: [testMcp], env: { EFFECTS_FILE: effects } };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { test } }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
  run = await startDev({
    folder,
    env: {
      OPENAI_API_KEY: 'test',
      OPENAI_BASE_URL: model.url,
      TURNGATE_AGENTS_DIR: folder,
      TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    },
  });
}, startBoundMs);
afterAll(async () => {
  await browser?.close();
  await stopDev(run);
  await model?.close();
  removeFolder(folder);
});
afterEach(async () => {
  if (screens && page) {
    mkdirSync(screens, { recursive: true });
    const name = String(expect.getState().currentTestName).replaceAll(/\W+/g, '-');
    await page.screenshot({ path: join(screens, `${name}.png`) });
  }
  await page?.context().close();
});

/** Opens the link that `npm start` prints, in a browser that was never here. */
async function openLink(): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1_100, height: 760 } });
  page = await context.newPage();
  faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  const link = /Open +(http\S+)/.exec(run.output())?.[1];
  await page.goto(String(link));
  await page.locator('.conversation[data-connection="open"]').waitFor();
}

async function say(words: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(words);
  await page.keyboard.press('Enter');
}

/** What is written before it is there goes to the session before it. */
async function newSession(): Promise<void> {
  const before = page.url();
  await page.getByRole('button', { name: 'New session' }).click();
  await until(() => page.url() !== before);
  await page.locator('.conversation[data-connection="open"]').waitFor();
}

const lastAnswer = () => page.locator('.message.assistant').last();
const textOf = async () => (await lastAnswer().locator('.body').textContent())?.trim();

describe('the page', () => {
  test('is opened signed in by the printed link, and shows the first reply as Markdown and nothing worse', async () => {
    await openLink();
    expect(page.url()).not.toContain('token');
    await say('hello');
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
    expect(faults).toEqual([]);
  });

  test('asks for an approval, shows what runs, and the result', async () => {
    await openLink();
    await newSession();
    await say('tool buy milk');
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
    expect(faults).toEqual([]);
  });

  test('rejects with a reason', async () => {
    await openLink();
    await newSession();
    await say('tool sell the house');
    await page.getByPlaceholder('Reason').fill('not today');
    await page.getByRole('button', { name: 'Reject' }).click();
    await page.locator('.tool[data-status="rejected"]').waitFor();
    await until(async () => (await page.locator('.tool').textContent())?.includes('not today') === true);
  });

  test('is reloaded in mid-stream and goes on where it was', async () => {
    await openLink();
    await newSession();
    await say('slow');
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
    await newSession();
    await say('slow');
    await until(async () => (await textOf()) === 'first half,');
    process.kill(run.info().processes.gateway ?? 0, 'SIGKILL');
    await page.locator('.conversation:not([data-connection="open"])').waitFor();
    await say('hello');
    goOn();
    await page.locator('.conversation[data-connection="open"]').waitFor();
    await page.getByRole('heading', { name: 'A heading' }).waitFor();
    const users = await page.locator('.message.user .body').allTextContents();
    expect(users).toEqual(['slow', 'hello']);
    const first = await page.locator('.message.assistant .body').first().textContent();
    expect(first?.trim()).toBe('first half, second half');
    expect(faults).toEqual([]);
  });

  test('asks for a token where it has none that is accepted, and takes one', async () => {
    const context = await browser.newContext();
    page = await context.newPage();
    await page.goto(`${run.info().http}/#token=not-a-token`);
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Token').fill(run.info().token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.conversation[data-connection="open"]').waitFor();
  });
});
