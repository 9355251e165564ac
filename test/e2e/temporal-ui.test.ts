import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { sessionWorkflowId, type TurnState } from '../../src/protocol/turn-workflow.ts';
import { openChromium } from '../helpers/chromium.ts';
import { fromSetup } from '../helpers/database.ts';
import { type Asked, type GateHarness, openGateHarness } from '../helpers/gate-harness.ts';
import { eventually } from '../helpers/turn-harness.ts';

// What an operator sees in the UI that `turngate dev` serves too: the development server's own, in a real browser.
const startBoundMs = 360_000;
const workflows = () => `${fromSetup('TURNGATE_TEST_TEMPORAL_UI')}/namespaces/default/workflows`;

let at: GateHarness;
let browser: Browser;
let page: Page;
/** Hosts that the browser has asked for anything. */
const asked = new Set<string>();
beforeAll(async () => {
  at = await openGateHarness();
  browser = await openChromium();
  page = await browser.newPage({ viewport: { width: 1_600, height: 1_200 } });
  page.on('request', (request) => asked.add(new URL(request.url()).host));
}, startBoundMs);
afterAll(async () => {
  await browser?.close();
  await at?.close();
});

async function waiting(args: Record<string, unknown>): Promise<{ of: Asked; runPage: string }> {
  at.policy('  - { id: mails, decide: ask, needed: 2, reason: Mails leave the house }');
  const of = await at.ask(args);
  const { workflow_id: workflowId, run_id: runId } = await of.alice.frame('turn_started');
  const handle = at.client.workflow.getHandle(workflowId, runId);
  await eventually('the gate', async () => {
    const { gates } = await handle.query<TurnState, []>('turnState');
    return gates[0]?.state === 'waiting';
  });
  return { of, runPage: `${workflows()}/${encodeURIComponent(workflowId)}/${runId}/user-metadata` };
}

/** The frame in which the UI renders current details, and what it shows. */
async function detailsOf(runPage: string): Promise<{ frame: FrameLocator; text: string }> {
  await page.goto(runPage);
  const frame = page.frameLocator('iframe[src*="/render?content=Turn"]');
  await frame.getByRole('heading').first().waitFor();
  return { frame, text: (await frame.locator('body').textContent()) ?? '' };
}

async function reject({ alice, request }: Asked): Promise<void> {
  const { tool_call_id, round } = await request();
  await at.api('alice', `/v1/approvals/${tool_call_id}`, { body: { approved: false, round } });
  await alice.frame('turn_end', undefined, 30_000);
}

test('the list finds the run that waits, and its page says who waits for what; words of a model stay words', async () => {
  const to = '```\n# Approved ![x](http://127.0.0.1:9/x.png) [a](http://127.0.0.1:9/) <b>bold</b>';
  const { of, runPage } = await waiting({ to });
  const query = `TurngateState = 'waiting_approval' and TurngateApprover = 'ada' and TurngateSession = '${of.sessionId}'`;
  await eventually('the run, for the list', async () => (await at.client.workflow.count(query)).count === 1);
  await page.goto(`${workflows()}?query=${encodeURIComponent(query)}`);
  await page.getByRole('link', { name: sessionWorkflowId(of.sessionId) }).waitFor();

  const { frame, text } = await detailsOf(runPage);
  const { tool_call_id: id, expires_at: expiresAt } = await of.request();
  for (const words of [
    'waits for 1 approval',
    'Approval: mail.send',
    `call: ${id}`,
    `expires: ${new Date(expiresAt).toISOString()}`,
    'may decide: ada, alice, max',
    'approvals needed: 2, so far none',
    'rule: mails, because: Mails leave the house',
    JSON.stringify({ to }, null, 2),
  ]) {
    expect(text).toContain(words);
  }
  expect(await frame.locator('a, img, b').count()).toBe(0);
  expect(await frame.locator('h1, h2, h3').allTextContents()).toEqual(['Approval: mail.send']);
  await page.getByText('approval of mail.send expires').first().waitFor();
  expect([...asked]).toEqual([new URL(workflows()).host]);
  await reject(of);
}, 120_000);

test('the UI shows the longest page that there may be, to its end', async () => {
  const { of, runPage } = await waiting({ to: '\u4e16'.repeat(20_000) });
  const { text } = await detailsOf(runPage);
  expect(text.length).toBeGreaterThan(5_000);
  expect(text).toContain('more characters)');
  expect(text).toContain('send the signal approval');
  await reject(of);
}, 120_000);
