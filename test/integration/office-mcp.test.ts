import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadAgent } from '../../src/tools/agent.ts';
import { createMcpTools } from '../../src/tools/mcp-tools.ts';
import { decidePolicy } from '../../src/tools/policy.ts';
import type { ToolPort } from '../../src/tools/port.ts';
import { policyOf } from '../helpers/policy.ts';

const ignore = () => undefined;
let data = '';
let tools: ToolPort;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'turngate-office-'));
  tools = start();
  await writeFile(join(data, 'outside.txt'), 'not yours');
  await mkdir(join(data, 'workspace'));
});
afterAll(async () => {
  await tools.close();
  await rm(data, { recursive: true, force: true });
});

/** The project's own mcp.json, over a folder of this test. */
function start(): ToolPort {
  return createMcpTools({
    configFile: resolve('mcp.json'),
    env: { ...process.env, TURNGATE_DATA: data },
    logger: { debug: ignore, warn: ignore },
    timeoutMs: 20_000,
  });
}

function call(tool: string, args: Record<string, unknown>, toolCallId = 'call-1') {
  const signal = new AbortController().signal;
  return tools.call({ tool, arguments: args, toolHash: null, toolCallId, signal, onProgress: ignore });
}

const outbox = () => readFile(join(data, 'office', 'outbox.txt'), 'utf8').catch(() => '');

test('the default agent reads at once and asks before it changes anything', async () => {
  const { servers } = await loadAgent('agents', 'default');
  const policy = policyOf(await readFile('policy.yaml', 'utf8'));
  const list = await tools.list();
  expect(new Set(list.map((tool) => tool.server))).toEqual(new Set(servers));
  const gateOf = (name: string) =>
    decidePolicy(policy, {
      tool: list.find((tool) => tool.name === name),
      toolName: name,
      arguments: {},
      requester: { id: 'alice', role: 'owner' },
      agent: 'default',
      tenant: 'dev',
    }).gate;
  expect(gateOf('office.search_mail')).toBe('allow');
  expect(gateOf('office.read_daily_report')).toBe('allow');
  expect(gateOf('office.send_mail')).toBe('ask');
  expect(gateOf('workspace.list_directory')).toBe('allow');
  expect(gateOf('workspace.write_file')).toBe('ask');
  expect(gateOf('everything.get-env')).toBe('deny');
});

describe('the office', () => {
  test('finds mail by all words of a query', async () => {
    const found = await call('office.search_mail', { query: 'INVOICE overdue' });
    expect(found).toMatchObject({ status: 'completed' });
    expect(found.text).toMatch(/^1 mail found\.\n\n\d{4}-\d\d-\d\d, from Carla Weber/);
    expect((await call('office.search_mail', { query: 'zebra' })).text).toBe('No mail holds "zebra".');
  });

  test('reads the latest report, that of a day, and says which there are', async () => {
    const latest = await call('office.read_daily_report', {});
    const days = (await readdir(join(data, 'office', 'reports'))).map((name) => name.slice(0, 10)).sort();
    expect(latest.text).toContain(`Daily report of ${days.at(-1)}`);
    expect((await call('office.read_daily_report', { date: days[0] })).text).toContain(
      `report of ${days[0]}`,
    );
    const none = await call('office.read_daily_report', { date: '1999-01-01' });
    expect(none.status).toBe('failed');
    expect(none.text).toContain(`There is no report of 1999-01-01. There are reports of: ${days.at(-1)}`);
    expect((await call('office.read_daily_report', { date: '../../outside' })).status).toBe('failed');
  });

  test('sends mail into a file that one can open, with the id of the call', async () => {
    const before = (await outbox()).split('----------').length;
    const mail = { to: 'bob@example.com', subject: 'Lunch', body: 'Yes.\nThursday.' };
    const sent = await call('office.send_mail', mail, 'call-42');
    expect(sent).toMatchObject({ status: 'completed' });
    expect(sent.text).toContain('outbox.txt');
    const text = await outbox();
    expect(text).toContain('Id: call-42\n');
    expect(text).toContain('To: bob@example.com\nSubject: Lunch\n\nYes.\nThursday.\n');
    expect(text.split('----------')).toHaveLength(before + 1);
  });

  test.each([
    [{ to: 'bob', subject: 'x', body: 'y' }, 'must be a mail address'],
    [{ to: 'bob@example.com', subject: 'x\nTo: eve@example.com', body: 'y' }, 'must be one line'],
    [{ to: 'bob@example.com', subject: 'x' }, 'body'],
  ])('refuses a mail that is none (%#)', async (mail, why) => {
    const before = await outbox();
    const outcome = await call('office.send_mail', mail);
    expect(outcome.status).toBe('failed');
    expect(outcome.text).toContain(why);
    expect(await outbox()).toBe(before);
  });

  test('keeps what is there when it starts again', async () => {
    const mine = 'From: Me <me@example.com>\nDate: 2030-01-01\nSubject: Zanzibar\n\nHello.\n';
    await writeFile(join(data, 'office', 'mail', 'mine.txt'), mine);
    await tools.close();
    tools = start();
    expect((await call('office.search_mail', { query: 'zanzibar' })).text).toContain('Subject: Zanzibar');
  });
});

describe('the workspace', () => {
  test('writes and reads files in its folder', async () => {
    const written = await call('workspace.write_file', { path: 'hello.txt', content: 'hi' });
    expect(written.status).toBe('completed');
    expect(await readFile(join(data, 'workspace', 'hello.txt'), 'utf8')).toBe('hi');
    expect((await call('workspace.list_directory', { path: '.' })).text).toContain('hello.txt');
  });

  test('does not leave it', async () => {
    expect((await call('workspace.read_text_file', { path: '../outside.txt' })).status).toBe('failed');
    expect((await call('workspace.read_text_file', { path: join(data, 'outside.txt') })).status).toBe(
      'failed',
    );
  });
});
