import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { approvalDetails, approvalsPage } from '../../src/protocol/approvals.ts';
import { ackFrame } from '../../src/protocol/live-frames.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { repository } from '../helpers/dev.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson } from '../helpers/http.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { TerminalRun } from '../helpers/terminal.ts';
import { waitingCall } from '../helpers/waiting-call.ts';

const cliTimeoutMs = 60_000;
let harness: GatewayHarness;
let folder: string;
const tokens: Record<string, string> = {};
const terminals: TerminalRun[] = [];

beforeAll(async () => {
  folder = openFolder('turngate-cli-approvals-');
  harness = await openGatewayHarness();
  for (const sub of ['alice', 'ada', 'carol', 'vic', 'mallory']) tokens[sub] = await signToken({ sub });
});
afterEach(() => Promise.all(terminals.splice(0).map((terminal) => terminal.end())));
afterAll(async () => {
  await harness.close();
  removeFolder(folder);
});

const as = (user: string) => ['--url', harness.http, '--token', tokens[user] ?? ''];
const approvals = (user: string, args: string[], input?: string): Promise<CliResult> =>
  runCli(['approvals', ...args, ...as(user)], input);

/** The command as a person at a terminal has it. */
function atTerminal(user: string, args: string[], env: Record<string, string> = {}): TerminalRun {
  const { PATH = '', HOME = '' } = process.env;
  const main = join(repository, 'src', 'cli', 'main.ts');
  const words = ['--disable-warning=ExperimentalWarning', main, 'approvals', ...args, ...as(user)];
  const terminal = new TerminalRun(process.execPath, words, {
    cwd: repository,
    env: { PATH, HOME, ...env },
    columns: 120,
    rows: 50,
  });
  terminals.push(terminal);
  return terminal;
}

async function detailsOf(toolCallId: string) {
  const answer = await askJson(`${harness.http}/v1/approvals/${toolCallId}`, { token: tokens.alice ?? null });
  return approvalDetails.parse(answer.body);
}

describe('turngate approvals, in a pipe', () => {
  test(
    'lists and shows what waits, as words and as JSON',
    async () => {
      const hostile = { to: 'bob@example.com', text: '\u001b[2Jtwo\nlines' };
      const { toolCallId } = await waitingCall(harness, { people: { ada: 'approver' }, arguments: hostile });
      const listed = await approvals('ada', ['list']);
      expect([listed.code, listed.err]).toEqual([0, '']);
      expect(listed.out).toContain(`${toolCallId}  office.send_mail  alice in`);
      expect(listed.out).not.toContain('\u001b');
      const page = approvalsPage.parse(JSON.parse((await approvals('ada', ['list', '--json'])).out));
      expect(page.approvals.map(({ tool_call_id }) => tool_call_id)).toContain(toolCallId);
      const shown = await approvals('ada', ['show', toolCallId]);
      expect(shown.out).toMatch(/Tool +office\.send_mail\n +"Sends a mail\. It cannot be called back\."/);
      expect(shown.out).toMatch(/Rule +big-mails: /);
      expect(shown.out).toMatch(/Approvers +.*ada.*alice|Approvers +.*alice.*ada/);
      expect(shown.out).toMatch(/History\n +\S+ {2}asked by turngate \(policy\)/);
      expect(shown.out).not.toContain('\u001b');
      const details = approvalDetails.parse(
        JSON.parse((await approvals('ada', ['show', toolCallId, '--json'])).out),
      );
      expect(details).toMatchObject({ tool_call_id: toolCallId, arguments: hostile, decision: null });
    },
    cliTimeoutMs,
  );

  test(
    'says where approvers are missing, and how many',
    async () => {
      const people = { ada: 'approver' } as const;
      const { toolCallId } = await waitingCall(harness, { people, levels: [{ needed: 3 }] });
      const line = new RegExp(`${toolCallId} .*, 1 approver is missing\n`);
      expect((await approvals('ada', ['list'])).out).toMatch(line);
      const shown = (await approvals('ada', ['show', toolCallId])).out;
      expect(shown).toMatch(
        /Needed +3, so far none\nMissing +1 approver is missing: an owner can let them in\n/,
      );
      const enough = await waitingCall(harness, { people, levels: [{ needed: 2 }] });
      expect((await approvals('ada', ['show', enough.toolCallId])).out).not.toContain('issing');
    },
    cliTimeoutMs,
  );

  test(
    'approves; the same again is the same, and another learns who decided what',
    async () => {
      const { toolCallId } = await waitingCall(harness, { people: { ada: 'approver' } });
      const first = await approvals('ada', ['approve', toolCallId, '--reason', 'fine']);
      expect(first).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^It is approved by ada .*"fine"\.\n$/),
      });
      expect(await approvals('ada', ['approve', toolCallId, '--reason', 'fine'])).toMatchObject({ code: 0 });
      const late = await approvals('alice', ['reject', toolCallId, '--reason', 'no']);
      expect(late).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/approved by ada.*stands/) });
      expect(
        await approvals('alice', ['edit', toolCallId, '--arguments', '{"to":"x"}', '--yes']),
      ).toMatchObject({
        code: 2,
        err: expect.stringMatching(/decided already: approved by ada .*"fine"\. That stands\./),
      });
      expect((await approvals('alice', ['list', '--status', 'resolved'])).out).toContain('approved by ada');
    },
    cliTimeoutMs,
  );

  test(
    'rejects with a reason, as JSON for programs',
    async () => {
      const { toolCallId } = await waitingCall(harness);
      const done = await approvals('alice', ['reject', toolCallId, '--reason', 'not on a Friday', '--json']);
      expect(ackFrame.parse(JSON.parse(done.out))).toMatchObject({
        decision: { decision: 'rejected', by: 'alice', reason: 'not on a Friday' },
      });
    },
    cliTimeoutMs,
  );

  test(
    'edits: shows the difference, needs --yes, and what runs is what was given',
    async () => {
      const { toolCallId } = await waitingCall(harness);
      const edit = (...args: string[]) => approvals('alice', ['edit', toolCallId, ...args]);
      const file = join(folder, 'arguments.json');
      writeFileSync(file, '{"to":"ann@example.com","text":"hello"}');
      const unsure = await edit('--arguments', `@${file}`);
      expect(unsure).toMatchObject({ code: 1, out: '', err: expect.stringContaining('--yes') });
      expect(unsure.err).toContain(
        '-   "to": "bob@example.com"\n+   "text": "hello",\n+   "to": "ann@example.com"',
      );
      expect(await edit('--arguments', '{"to":"bob@example.com"}', '--yes')).toMatchObject({ code: 5 });
      expect(await edit('--yes')).toMatchObject({ code: 1, err: expect.stringContaining('--arguments') });
      expect(await edit('--arguments', '{"to":7}', '--yes')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/refused.*arguments/),
      });
      expect((await detailsOf(toolCallId)).decision).toBeNull();
      const done = await approvals(
        'alice',
        ['edit', toolCallId, '--arguments', '-', '--yes'],
        '{"to":"ann@example.com"}',
      );
      expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/^It is approved by alice/) });
      expect(await detailsOf(toolCallId)).toMatchObject({
        arguments: { to: 'ann@example.com' },
        original_arguments: { to: 'bob@example.com' },
        decision: { by: 'alice', arguments: { to: 'ann@example.com' } },
      });
    },
    cliTimeoutMs,
  );

  test(
    'is bound to what was shown, and says who may decide',
    async () => {
      const levels = [{ approvers: { users: [], roles: ['approver' as const], requester: false } }];
      const people = { ada: 'approver', vic: 'viewer' } as const;
      const { toolCallId, argumentsHash } = await waitingCall(harness, { people, levels });
      const decide = (user: string, ...args: string[]) => approvals(user, ['approve', toolCallId, ...args]);
      expect(await decide('ada', '--hash', 'of-something-else')).toMatchObject({ code: 2 });
      expect(await decide('ada', '--round', '2')).toMatchObject({ code: 2 });
      expect(await decide('alice')).toMatchObject({ code: 4 });
      expect(await decide('vic')).toMatchObject({ code: expect.any(Number), out: '' });
      expect(await decide('mallory')).toMatchObject({ code: 3, err: expect.stringContaining('no such') });
      expect((await approvals('alice', ['show', toolCallId])).out).toMatch(/You +may see it, but not decide/);
      expect(await decide('ada', '--hash', argumentsHash, '--round', '1')).toMatchObject({ code: 0 });
    },
    cliTimeoutMs,
  );

  test(
    'tells how many are still needed',
    async () => {
      const { toolCallId } = await waitingCall(harness, {
        people: { ada: 'approver' },
        levels: [{ needed: 2 }],
      });
      expect(await approvals('ada', ['approve', toolCallId])).toMatchObject({
        code: 0,
        out: 'Your approval is recorded: 1 of 2 that are needed.\n',
      });
      expect((await approvals('alice', ['show', toolCallId])).out).toMatch(/Needed +2, so far ada/);
      expect((await approvals('alice', ['approve', toolCallId])).out).toMatch(/^It is approved by alice/);
    },
    cliTimeoutMs,
  );

  test(
    'remembers, lists what is remembered, and takes it back',
    async () => {
      const { toolCallId } = await waitingCall(harness, { remember: 'always' });
      expect(await approvals('alice', ['approve', toolCallId, '--remember', 'always'])).toMatchObject({
        code: 0,
      });
      const grants = (...args: string[]) => runCli(['grants', ...args, ...as('alice')]);
      const [grant] = JSON.parse((await grants('list', '--json')).out).grants;
      expect((await grants('list')).out).toContain(
        `${grant.id}  office.send_mail  in every session, for alice, by alice`,
      );
      expect(await grants('revoke', grant.id)).toMatchObject({
        code: 0,
        out: expect.stringContaining('taken back'),
      });
      expect(await grants('list')).toMatchObject({ code: 0, out: '', err: 'No approval is remembered.\n' });
      expect(await grants('revoke', 'none')).toMatchObject({ code: 3 });
    },
    cliTimeoutMs,
  );

  test(
    'says in words what cannot be done',
    async () => {
      expect(await approvals('alice', ['show', 'none'])).toMatchObject({ code: 3, out: '' });
      expect(await approvals('mallory', ['list'])).toMatchObject({
        code: 0,
        out: '',
        err: 'Nothing waits for your approval.\n',
      });
      expect(await approvals('alice', ['list', '--limit', '0'])).toMatchObject({
        code: 1,
        err: expect.stringContaining('limit'),
      });
      const nobody = await runCli(['approvals', 'list', '--data', join(folder, 'none')]);
      expect(nobody).toMatchObject({ code: 1, err: expect.stringContaining('No Turngate runs here') });
    },
    cliTimeoutMs,
  );
});

describe('turngate approvals, at a terminal', () => {
  test(
    'shows what it is about and asks',
    async () => {
      const { toolCallId } = await waitingCall(harness);
      const hesitant = atTerminal('alice', ['approve', toolCallId]);
      await hesitant.shows('Approve this? [y/N]');
      expect(hesitant.all()).toContain('"to": "bob@example.com"');
      hesitant.type('n\r');
      expect(await hesitant.exited).toBe(5);
      expect((await detailsOf(toolCallId)).decision).toBeNull();
      const sure = atTerminal('alice', ['approve', toolCallId]);
      await sure.shows('Approve this? [y/N]');
      sure.type('y\r');
      await sure.shows('It is approved by alice');
      expect(await sure.exited).toBe(0);
    },
    cliTimeoutMs,
  );

  test(
    'opens the editor, again where it is no JSON, and shows the difference',
    async () => {
      const { toolCallId } = await waitingCall(harness);
      const editor = join(folder, 'editor.sh');
      const script = `if grep -q bob "$1"; then echo '{"to":' > "$1"; else echo '{"to":"eve@example.com"}' > "$1"; fi\n`;
      writeFileSync(editor, script);
      const edited = atTerminal('alice', ['edit', toolCallId], { EDITOR: `sh ${editor}` });
      await edited.shows('Edit it again? [y/N]');
      edited.type('y\r');
      await edited.shows('Approve it with these arguments? [y/N]');
      expect(edited.all()).toMatch(/- {3}"to": "bob@example\.com"\s+\+ {3}"to": "eve@example\.com"/);
      edited.type('y\r');
      expect(await edited.exited).toBe(0);
      expect(await detailsOf(toolCallId)).toMatchObject({ arguments: { to: 'eve@example.com' } });
    },
    cliTimeoutMs,
  );

  test(
    'leaves everything as it is on Ctrl-C, and where the editor does not work',
    async () => {
      const { toolCallId } = await waitingCall(harness);
      const left = atTerminal('alice', ['reject', toolCallId]);
      await left.shows('Reject this? [y/N]');
      left.type('\u0003');
      expect(await left.exited).toBe(5);
      const broken = atTerminal('alice', ['edit', toolCallId], { EDITOR: 'false' });
      await broken.shows('The editor "false" did not work');
      expect(await broken.exited).toBe(1);
      expect((await detailsOf(toolCallId)).decision).toBeNull();
    },
    cliTimeoutMs,
  );
});
