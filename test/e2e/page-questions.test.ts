import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { repository } from '../helpers/dev.ts';
import { PageHarness } from '../helpers/page-harness.ts';
import type { ModelCall, Piece } from '../helpers/scripted-model.ts';
import { until } from '../helpers/until.ts';

const startBoundMs = 360_000;
const policy = 'trusted_servers: [test]\nrules:\n  - id: all\n    decide: allow\n';
/** Steps of a turn that nobody is asked about. */
const maxSteps = 3;

let at: PageHarness;
let page: Page;
let office: string;

/** `crash` calls a tool that ends before it answers; `steps N` takes so many; `disguise`, one that pretends; `room …` calls one that asks. */
function* answer(asked: string, { messages }: ModelCall): Iterable<Piece> {
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
  const results = since.flatMap((message) => (message.role === 'tool' ? [String(message.content)] : []));
  const [what, more = ''] = asked.split(' ');
  if (what === 'steps' && results.length < Number(more)) {
    yield { toolCall: { name: 'test__echo', arguments: { text: String(results.length) } } };
  } else if (results.length > 0) yield `The tool said: ${results.at(-1)}`;
  else if (what === 'disguise') yield { toolCall: { name: 'disguises__ask', arguments: {} } };
  else if (what === 'crash') yield { toolCall: { name: 'test__crash', arguments: {} } };
  else yield { toolCall: { name: 'office__book_room', arguments: { day: more, purpose: '<i>lunch</i>' } } };
}

beforeAll(async () => {
  office = mkdtempSync(join(tmpdir(), 'turngate-page-office-'));
  at = await PageHarness.open({
    answer,
    policy,
    env: { MAX_STEPS: String(maxSteps) },
    servers: {
      disguises: {
        command: process.execPath,
        args: [join(repository, 'test', 'mcp-servers', 'disguises.ts')],
        turngate: { elicits: true },
      },
      office: {
        command: process.execPath,
        args: [join(repository, 'examples', 'office-mcp', 'main.ts')],
        env: { OFFICE_DIR: office },
        turngate: { elicits: true, asksFirst: true },
      },
    },
  });
}, startBoundMs);
afterAll(async () => {
  await at?.close();
  rmSync(office, { recursive: true, force: true });
});
afterEach(() => at?.closePage());

/** Says something in a new session, and waits for its question. */
async function ask(words: string): Promise<void> {
  await at.openLink();
  page = at.page;
  await at.newSession();
  await at.say(words);
  await open().waitFor();
}

const open = () => page.locator('.question-card[data-status="waiting_approval"]');
const button = (name: string) => open().getByRole('button', { name, exact: true });
const field = (name: string) => open().locator(`[data-field="${name}"]`).locator('input, textarea, select');
const lastAnswer = () => page.locator('.message.assistant .body').last();
const says = (words: string) =>
  until(async () => (await lastAnswer().textContent())?.includes(words) === true, 30_000);

describe('a question in the page', () => {
  test('of a call whose result was lost has a button for each thing that may have become of it', async () => {
    await ask('crash');
    await page.getByText('Nobody knows what became of this call').waitFor();
    const names = await open().getByRole('button').allTextContents();
    expect(names).toEqual(['It happened', 'It did not happen', 'Run it again', 'Leave it unknown']);
    // It waits through a reload; run again, it is lost again.
    await page.reload();
    await button('Run it again').click();
    await page.getByText('answered by dev').waitFor();
    await button('It happened').click();
    await until(async () => (await page.getByText('answered by dev').count()) === 2);
    await page.locator('.tool[data-status="unknown"]').waitFor();
    await says('The tool said:');
    expect(await open().count()).toBe(0);
    await page.reload();
    await until(async () => (await page.getByText('answered by dev').count()) === 2);
    expect(at.faults).toEqual([]);
  });

  test('at a limit takes a number, says what is wrong with it, and lets the turn go on or stop', async () => {
    await ask(`steps ${maxSteps + 1}`);
    await page.getByText('A limit is reached').waitFor();
    expect(await field('more').inputValue()).toBe(String(maxSteps));
    await field('more').fill('1.5');
    await button('Go on').click();
    await open().getByText('must be a whole number').waitFor();
    await field('more').fill('100000');
    await button('Go on').click();
    await open().getByText('Field "content').waitFor();
    await field('more').fill('2');
    await button('Go on').click();
    await says(`The tool said: ${maxSteps}`);
    await page.getByText('answered by dev').waitFor();
    await ask(`steps ${maxSteps + 1}`);
    await button('Stop here').click();
    await page.getByText('declined by dev').waitFor();
  });

  test('of a tool that names a field as every object has one begins empty', async () => {
    await ask('disguise');
    await open().getByText('Keep llA?[2J').waitFor();
    expect(await field('constructor').inputValue()).toBe('');
    await button('Answer').click();
    await says('{"action":"accept","content":{}}');
  });

  test('of a tool is a form: answered, it is what the tool gets; declined, nothing is done', async () => {
    await ask('room 2031-01-02');
    // What it says is text, whatever it says.
    await open().getByText('Which room for "<i>lunch</i>" on 2031-01-02?').waitFor();
    expect(await open().locator('i').count()).toBe(0);
    await button('Answer').click();
    await open().getByText('Room: is needed.').waitFor();
    await page.reload();
    await field('room').selectOption('Cedar');
    await field('coffee').check();
    await button('Answer').click();
    await says('Booked Cedar on 2031-01-02 for <i>lunch</i>, with coffee.');
    const file = join(office, 'bookings', '2031-01-02 Cedar.txt');
    expect(readFileSync(file, 'utf8')).toContain('Coffee: yes');
    await ask('room 2031-01-03');
    await button('Decline').click();
    await says('No room was booked: the person chose none.');
    expect(readdirSync(join(office, 'bookings'))).toHaveLength(1);
  });
});
