import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const testMcp = fileURLToPath(new URL('../helpers/test-mcp.ts', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'turngate-check-'));
  const test = { command: process.execPath, args: [testMcp], env: {} };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { test } }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
  writeFileSync(
    join(folder, 'policy.yaml'),
    `trusted_servers: [test]
rules:
  - id: not-to-outsiders
    tool: test.effect*
    arguments: { /text: { not_matches: "@example\\\\.com$" } }
    decide: deny
    reason: Mail leaves the house only by hand.
  - { id: trusted-read-only, annotations: { read_only: true }, decide: allow }
  - id: two-of-us
    decide: ask
    approvers: { roles: [owner], users: [carol], requester: false }
    needed: 2
    timeout: 2d
    remind_every: 4h
    on_timeout: { escalate: [{ approvers: { users: [dora] }, timeout: 90m }] }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function turngate(...args: string[]) {
  const env = {
    PATH: process.env.PATH,
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_AGENTS_DIR: folder,
  };
  const command = ['--disable-warning=ExperimentalWarning', main, 'policy', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { env, encoding: 'utf8' });
  return { status, stdout: stdout.replaceAll(folder, '.'), stderr: stderr.replaceAll(folder, '.') };
}

describe('turngate policy check', () => {
  test('says that a file is in order', () => {
    expect(turngate('check')).toEqual({
      status: 0,
      stdout: './policy.yaml is in order: 3 rules.\n',
      stderr: '',
    });
  });

  test('tells every fault of a broken file, and fails', () => {
    const file = join(folder, 'broken.yaml');
    writeFileSync(file, 'rules:\n  - { id: a, decide: alow }\n  - { id: a, decide: deny, needed: 2 }\n');
    const { status, stdout, stderr } = turngate('check', file);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')).toEqual([
      './broken.yaml:2: rule "a", decide: Invalid option: expected one of "allow"|"ask"|"deny"',
      './broken.yaml:3: rule "a", id: is also that of rule number 1; people know rules by their id',
      './broken.yaml:3: rule "a", needed: is only for rules that ask; this one says `decide: deny`',
      './broken.yaml is not usable; with it, no tool would run.',
      '',
    ]);
    expect(turngate('check', join(folder, 'none.yaml'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('./none.yaml cannot be read: there is no such file'),
    });
  });

  test('explains which rule decides a call, after it has asked the server of the tool', () => {
    expect(turngate('check', '--tool', 'test.echo', '--arguments', '{"text":"x"}').stdout).toContain(
      'allow, by the rule trusted-read-only (./policy.yaml:8): test.echo for somebody (owner), agent default, tenant dev',
    );
  });

  test('explains who may approve, and every condition', () => {
    const mail = '{"text":"bob@example.com"}';
    const { stdout } = turngate('check', '--tool', 'test.effect', '--arguments', mail, '--user', 'alice');
    expect(
      stdout.slice(stdout.indexOf('\n\n') + 2),
    ).toBe(`ask, by the rule two-of-us (./policy.yaml:9): test.effect for alice (owner), agent default, tenant dev
  reason: test.effect needs a person's approval, says the rule "two-of-us".
  asked first: whoever is owner, carol, but not who asked for it; 2 of them, for 2 d, reminded every 4 h
  then also: dora, but not who asked for it; 1 of them, for 90 m
  when nobody decides in time: rejected
  may be remembered: no: it is asked each time

  The tool is not read-only, not idempotent, destructive; its server test is trusted, so this is believed.

  does not fit: not-to-outsiders, deny (line 3)
      + tool: wants ["test.effect*"], is test.effect
      - arguments /text: wants {"not_matches":"@example\\\\.com$"}, is "bob@example.com"
  does not fit: trusted-read-only, allow (line 8)
      - annotations.read_only: wants true, is false
  decides: two-of-us, ask (line 9)
      it fits every call
`);
  });

  test('explains for the tenant that is named', () => {
    const file = join(folder, 'tenants.yaml');
    writeFileSync(
      file,
      'rules:\n  - { id: acme, tenant: [acme], decide: ask }\n  - { id: none, decide: deny }\n',
    );
    const rule = (...of: string[]) =>
      turngate('check', file, '--offline', '--tool', 'test.echo', ...of).stdout;
    expect(rule('--tenant', 'acme')).toContain('by the rule acme (./tenants.yaml:2)');
    const other = rule('--tenant', 'initech');
    expect(other).toContain(
      'by the rule none (./tenants.yaml:3): test.echo for somebody (owner), agent default, tenant initech',
    );
    expect(other).toContain('- tenant: wants ["acme"], is initech');
  });

  test('says of arguments that do not fit the tool that they never come so far', () => {
    const asked = ['check', '--tool', 'test.echo', '--arguments'];
    expect(turngate(...asked, '{"text":1}').stdout).toContain(
      'note: The arguments do not fit the tool: at /text they must be string.',
    );
    expect(turngate(...asked, '{"text":"x"}').stdout).not.toContain('note:');
  });

  test('says of arguments that the gate refuses that no rule is asked about them', () => {
    const { stdout } = turngate('check', '--tool', 'test.effect', '--arguments', '{"text":1e400}');
    expect(stdout).toContain(
      'refused, by no rule: The arguments of this tool call hold a number that is too large. Such a call goes back to the model',
    );
    expect(stdout).not.toContain('decides:');
  });

  test('says what is unclear, and on which side that falls', () => {
    const { stdout } = turngate('check', '--tool', 'test.effect', '--offline');
    expect(stdout).toContain(
      'deny, by the rule not-to-outsiders (./policy.yaml:3): test.effect for somebody',
    );
    expect(stdout).toContain('is missing; this is unclear, so for a rule that says deny it fits');
    expect(stdout).toContain(
      'its server test was not asked, and is trusted, so this would be believed of it.',
    );
    expect(stdout).not.toContain('this is believed');
  });

  test('takes what is said on the command line for what a server says', () => {
    const asked = ['--tool', 'other.look', '--read-only'];
    expect(turngate('check', ...asked).stdout).toMatch(/^ask, by the rule two-of-us/m);
    expect(turngate('check', ...asked, '--trusted').stdout).toMatch(/^allow, by the rule trusted-read-only/m);
    expect(turngate('check', '--tool', 'test.nothing').stdout).toMatch(
      /^deny, by unknown-tool: test\.nothing/m,
    );
  });
});
