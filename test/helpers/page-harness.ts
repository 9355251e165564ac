import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { buildPage } from '../../scripts/build-page.ts';
import { openChromium } from './chromium.ts';
import { type DevRun, repository, startDev, stopDev } from './dev.ts';
import { type ModelCall, type Piece, startScriptedModel } from './scripted-model.ts';
import { openFolder, removeFolder } from './services.ts';
import { until } from './until.ts';

const testMcp = fileURLToPath(new URL('test-mcp.ts', import.meta.url));
const screens = process.env.PAGE_SCREENS;

/** The static page in a real browser, before a whole Turngate of its own. */
export class PageHarness {
  readonly run: DevRun;
  /** The page that is open. */
  page: Page;
  /** What the page's own console said against it. */
  faults: string[] = [];
  readonly #browser: Browser;
  readonly #folder: string;
  readonly #closeModel: () => Promise<void>;

  private constructor(parts: {
    run: DevRun;
    browser: Browser;
    folder: string;
    page: Page;
    closeModel: () => Promise<void>;
  }) {
    this.page = parts.page;
    this.run = parts.run;
    this.#browser = parts.browser;
    this.#folder = parts.folder;
    this.#closeModel = parts.closeModel;
  }

  /**
   * @param options.answer what the model says
   * @param options.policy the text of policy.yaml, where not the project's own
   * @param options.servers more MCP servers than the test server
   */
  static async open(options: {
    answer(asked: string, call: ModelCall): Iterable<Piece>;
    policy?: string;
    env?: NodeJS.ProcessEnv;
    servers?: Record<string, object>;
  }): Promise<PageHarness> {
    await buildPage(join(repository, 'dist', 'page'));
    const browser = await openChromium();
    const folder = openFolder('turngate-page-');
    const model = await startScriptedModel((call) =>
      options.answer(String(call.messages.findLast(({ role }) => role === 'user')?.content), call),
    );
    const effects = join(folder, 'effects.jsonl');
    writeFileSync(effects, '', { mode: 0o666 });
    const test = { command: process.execPath, args: [testMcp], env: { EFFECTS_FILE: effects } };
    writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { test, ...options.servers } }));
    writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
    const policy = options.policy === undefined ? {} : { TURNGATE_POLICY: join(folder, 'policy.yaml') };
    if (options.policy !== undefined) writeFileSync(join(folder, 'policy.yaml'), options.policy);
    const run = await startDev({
      folder,
      env: {
        OPENAI_API_KEY: 'test',
        OPENAI_BASE_URL: model.url,
        TURNGATE_AGENTS_DIR: folder,
        TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
        ...policy,
        ...options.env,
      },
    });
    const page = await browser.newPage();
    return new PageHarness({ run, browser, folder, page, closeModel: () => model.close() });
  }

  /** Opens the link that `npm start` prints, in a browser that was never here. */
  async openLink(): Promise<void> {
    const link = /Open +(http\S+)/.exec(this.run.output())?.[1];
    await this.openAt(String(link));
    await this.page.locator('.conversation[data-connection="open"]').waitFor();
  }

  async openAt(url: string): Promise<void> {
    const context = await this.#browser.newContext({ viewport: { width: 1_100, height: 760 } });
    this.page = await context.newPage();
    this.faults = [];
    this.page.on('pageerror', (error) => this.faults.push(error.message));
    await this.page.goto(url);
  }

  async say(words: string): Promise<void> {
    await this.page.getByLabel('Message', { exact: true }).fill(words);
    await this.page.keyboard.press('Enter');
  }

  /** What is written before it is there goes to the session before it. Answers its id. */
  async newSession(): Promise<string> {
    const before = this.page.url();
    await this.page.getByRole('button', { name: 'New session' }).click();
    await until(() => this.page.url() !== before);
    await this.page.locator('.conversation[data-connection="open"]').waitFor();
    return String(new URL(this.page.url()).hash.split('session=')[1]);
  }

  /** The texts that the test server's tools have really been called with. */
  effects(): string[] {
    const lines = readFileSync(join(this.#folder, 'effects.jsonl'), 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line).text);
  }

  /** Ends a test: the browser's window, after a picture of it where PAGE_SCREENS names a folder. */
  async closePage(): Promise<void> {
    if (screens) {
      mkdirSync(screens, { recursive: true });
      const name = String(expect.getState().currentTestName).replaceAll(/\W+/g, '-');
      await this.page.screenshot({ path: join(screens, `${name}.png`) });
    }
    await this.page.context().close();
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await stopDev(this.run);
    await this.#closeModel();
    removeFolder(this.#folder);
  }
}
