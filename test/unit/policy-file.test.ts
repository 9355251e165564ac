import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parsePolicy, remarkText } from '../../src/tools/policy-file.ts';
import { policyWarnings } from '../../src/tools/policy-warnings.ts';
import { policyOf } from '../helpers/policy.ts';

function faultsOf(text: string): string[] {
  const parsed = parsePolicy(text);
  return parsed.ok ? [] : parsed.faults.map((fault) => remarkText('policy.yaml', fault));
}

const warningsOf = (text: string, known = {}) =>
  policyWarnings(policyOf(text), known).map((warning) => remarkText('policy.yaml', warning));

test("a tool without its server is the default server's; without one it is a fault", () => {
  const text =
    'rules: [{ id: a, tool: [send_mail, "send_*", "*.send_mail", "tickets.*"], decide: deny }, { id: b, tool: "*", decide: ask }]';
  const parsed = parsePolicy(text, { defaultServer: 'office' });
  expect(parsed.ok && parsed.policy.rules.map((rule) => rule.source.tool)).toEqual([
    ['office.send_mail', 'office.send_*', '*.send_mail', 'tickets.*'],
    ['*'],
  ]);
  expect(faultsOf(text).join()).toContain('where mcp.json names a defaultServer');
});

test('every part of a rule is taken as it is written', () => {
  const { rules, trustedServers } = policyOf(`
trusted_servers: [office]
rules:
  - id: big-mails
    tool: office.send_mail
    decide: ask
    reason: Mail to outsiders
    approvers: { roles: [owner, approver], users: [carol], requester: false }
    needed: 2
    timeout: 2d
    remind_every: 4h
    on_timeout: { escalate: [{ approvers: { users: dora }, timeout: 90m }, { approvers: { requester: true }, timeout: 30s, needed: 3 }] }
    remember: session
  - id: plain
    decide: ask
    approvers: { requester: false }
`);
  expect([...trustedServers]).toEqual(['office']);
  expect(rules[0]).toMatchObject({ id: 'big-mails', reason: 'Mail to outsiders', line: 4 });
  const everybody = ['owner', 'member', 'approver'];
  expect(rules[0]?.terms).toEqual({
    rule: 'big-mails',
    remember: 'session',
    levels: [
      {
        approvers: { users: ['carol'], roles: ['owner', 'approver'], requester: false },
        needed: 2,
        timeoutMs: 2 * 86_400_000,
        remindEveryMs: 4 * 3_600_000,
      },
      {
        approvers: { users: ['dora'], roles: [], requester: false },
        needed: 1,
        timeoutMs: 90 * 60_000,
        remindEveryMs: null,
      },
      {
        approvers: { users: [], roles: everybody, requester: true },
        needed: 3,
        timeoutMs: 30_000,
        remindEveryMs: null,
      },
    ],
  });
  expect(rules[1]?.terms?.levels).toEqual([
    {
      approvers: { users: [], roles: everybody, requester: false },
      needed: 1,
      timeoutMs: null,
      remindEveryMs: null,
    },
  ]);
});

describe('what is wrong with a file', () => {
  test('is told all at once, each with its line, rule and field', () => {
    expect(
      faultsOf(`
trusted_server: [office]
rules:
  - { id: one, tool: send_mail, decide: deny }
  - { id: one, decide: alow, needed: 0 }
  - id: three
    decide: allow
    timeout: 2d
    arguments: { to: { matches: "(" }, /n: { above: ten }, /x: {} }
  - decide: ask
    timeout: soon
    approvers: { users: [carol, carol] }
    needed: 2
    on_timeout: { escalate: [{ approvers: { users: dora }, needed: 2 }] }
  - { id: nobody-next, decide: ask, on_timeout: { escalate: [] } }
  - just text
`),
    ).toEqual([
      'policy.yaml:2: the file: Unrecognized key: "trusted_server"',
      expect.stringMatching(/^policy\.yaml:4: rule "one", tool\.0: must be `server\.tool`/),
      expect.stringMatching(/^policy\.yaml:5: rule "one", decide: .*expected one of "allow"\|"ask"\|"deny"/),
      expect.stringMatching(/^policy\.yaml:5: rule "one", needed: /),
      expect.stringMatching(/^policy\.yaml:5: rule "one", id: is also that of rule number 1/),
      expect.stringMatching(/^policy\.yaml:9: rule "three", arguments\.to: must be a JSON pointer/),
      expect.stringMatching(/^policy\.yaml:9: rule "three", arguments\.\/n\.above: /),
      expect.stringMatching(/^policy\.yaml:9: rule "three", arguments\.\/x: needs at least one operator/),
      expect.stringMatching(/^policy\.yaml:8: rule "three", timeout: is only for rules that ask/),
      expect.stringMatching(/^policy\.yaml:10: rule number 4, id: /),
      expect.stringMatching(/^policy\.yaml:11: rule number 4, timeout: must be a number and s, m, h or d/),
      expect.stringMatching(/^policy\.yaml:14: rule number 4, on_timeout\.escalate\.0\.timeout: /),
      expect.stringMatching(/^policy\.yaml:13: rule number 4, needed: asks for 2 approvals, but only 1 may/),
      expect.stringMatching(/^policy\.yaml:14: rule number 4, on_timeout\.escalate\.0\.needed: asks for 2/),
      expect.stringMatching(/^policy\.yaml:15: rule "nobody-next", on_timeout\.escalate: names no level/),
      expect.stringMatching(/^policy\.yaml:16: rule number 6, the rule: /),
    ]);
  });

  test.each([
    ['', /the file|rules/],
    ['- a\n- b', /the file: /],
    ['rules: []', /rules: needs at least one rule/],
    ['rules: [{ id: a, decide: deny }]\nrules: []', /policy\.yaml:2: the file: is not valid YAML: Map keys/],
    ['rules: [{ id: no-rule, decide: deny }]', /id: is what decisions say that no rule made/],
    ['rules: [{ id: Big, decide: deny }]', /id: must be at most 64 of a-z/],
    ['rules: [{ id: a, decide: ask, approvers: { roles: [viewer] } }]', /approvers\.roles/],
    ['rules: [{ id: a, decide: ask, timeout: 1000d }]', /timeout: must be at most 365d/],
    [
      'rules: [{ id: a, decide: deny, arguments: { /a: { matches: "(a)\\\\1" } } }]',
      /\/a\.matches: must not refer/,
    ],
    ['rules: [{ id: a, decide: deny, arguments: { /a: { equals: .nan } } }]', /\/a\.equals/],
    ['x: &a [*a]', /the file: /],
  ])('%j', (text, fault) => {
    const faults = faultsOf(text);
    expect(faults.join('\n')).toMatch(fault);
  });

  test('is told of a bomb of aliases too, without unfolding it', () => {
    const lines = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`);
    expect(faultsOf(`a0: &a0 [x]\n${lines.join('\n')}`)).toEqual([
      expect.stringMatching(/the file: cannot be read: .*alias/),
    ]);
  });
});

test('whatever a file says, it is read, or its faults are told', () => {
  const words = [
    'rules',
    'id',
    'decide',
    'allow',
    'tool',
    'arguments',
    '/a',
    'matches',
    'on_timeout',
    'escalate',
  ];
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(
        fc.constantFrom<unknown>(...words, null, true, 1, -1, '', '2d', '*'),
        fc.string({ maxLength: 4 }),
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words, '__proto__', 'constructor'), tie('value'), { maxKeys: 4 }),
    ),
  }));
  const rule = fc.dictionary(fc.constantFrom(...words, 'approvers', 'needed', 'timeout'), value, {
    maxKeys: 6,
  });
  const file = fc.oneof(
    fc.string().map((text) => `rules: ${text}`),
    value.map((one) => JSON.stringify(one)),
    fc.array(rule, { maxLength: 3 }).map((rules) => JSON.stringify({ rules })),
  );
  fc.assert(
    fc.property(file, (text) => {
      const parsed = parsePolicy(text);
      if (parsed.ok) expect(parsed.policy.rules.length).toBeGreaterThan(0);
      else expect(parsed.faults.map((fault) => remarkText('p', fault)).join()).not.toBe('');
    }),
    { numRuns: 500 },
  );
});

describe('what is in order but hardly meant', () => {
  test('rules that can never decide', () => {
    const found = warningsOf(`
trusted_servers: [office]
rules:
  - { id: no-post, tool: post.*, decide: deny }
  - { id: post-echo, tool: [post.echo, post.e?ho], decide: allow }
  - { id: small, tool: bank.pay, arguments: { /amount: { below: 10 } }, decide: allow }
  - { id: small-again, tool: bank.pay, arguments: { /amount: { below: 10 } }, decide: ask }
  - { id: members, tool: bank.pay, role: member, decide: ask }
  - { id: members-of-agent, tool: bank.pay, role: [member], agent: default, decide: allow }
  - { id: acme, tool: bank.see, tenant: [acme, initech], decide: allow }
  - { id: acme-again, tool: bank.see, tenant: acme, decide: ask }
  - { id: others, tool: bank.see, tenant: [acme, other], decide: ask }
  - { id: rest, decide: ask }
  - { id: never, server: office, decide: deny }
`);
    expect(found).toEqual([
      expect.stringMatching(
        /^policy\.yaml:5: rule "post-echo", the rule: can never decide, .*"no-post" before/,
      ),
      expect.stringMatching(/:9: rule "members-of-agent", the rule: can never decide, .*"members" before it/),
      expect.stringMatching(/:11: rule "acme-again", the rule: can never decide, .*"acme" before it/),
      expect.stringMatching(/:14: rule "never", the rule: can never decide, .*"rest" before it/),
    ]);
  });

  test('annotations that nobody believes, names that nobody has, and a gate that is open to all', () => {
    const text = `
trusted_servers: [office, ofice]
rules:
  - { id: reads, server: other, annotations: { read_only: true }, decide: allow }
  - { id: some, tool: [post.send, "*.list"], agent: [defualt, default], decide: deny }
  - { id: more, tool: post.send, decide: ask }
  - { id: all, decide: allow }
`;
    const known = { servers: new Set(['office', 'other']), agents: new Set(['default']) };
    expect(warningsOf(text, known)).toEqual([
      'policy.yaml: trusted_servers: there is no server "ofice" in the configuration',
      'policy.yaml:4: rule "reads", annotations: can never fit, because what other says of its tools is not believed; see trusted_servers',
      'policy.yaml:5: rule "some", agent: there is no agent "defualt" in the configuration',
      'policy.yaml:6: rule "more", tool: there is no server "post" in the configuration',
      'policy.yaml:7: rule "all", decide: lets every call run that no rule before it decides, without a person',
    ]);
  });
});

describe('the rules that come with Turngate', () => {
  const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const [, shown = ''] = /```yaml\n(.*?)```/s.exec(read('docs/policy.md')) ?? [];

  test.each([
    ['policy.yaml', read('policy.yaml'), ['office', 'workspace']],
    ['examples/first-tool/policy.yaml', read('examples/first-tool/policy.yaml'), ['post']],
    ['what docs/policy.md shows', shown, ['office', 'bank']],
  ])('%s are in order, and leave nothing to look at', (_, text, servers) => {
    expect(faultsOf(text)).toEqual([]);
    expect(warningsOf(text, { servers: new Set(servers), agents: new Set(['default']) })).toEqual([]);
  });
});

test('a rule that allows by a part of a text is warned of, and no other', () => {
  const rule = (id: string, decide: string, wanted: string) =>
    `{ id: ${id}, tool: a.b, arguments: { /to: ${wanted} }, decide: ${decide} }`;
  const rules = [
    rule('loose', 'allow', '{ matches: "@example\\\\.com$" }'),
    rule('end', 'allow', '{ exists: true, ends_with: "@example.com" }'),
    rule('item', 'allow', '{ every: { matches: "^a" } }'),
    rule('bound', 'allow', '{ matches: "(?i)^[a-z]+@example\\\\.com$" }'),
    rule('asks', 'ask', '{ matches: "@example" }'),
    rule('exact', 'allow', '{ one_of: [matches] }'),
  ];
  const told = warningsOf(`rules: [${rules.join(', ')}]`).filter((line) => line.includes('a part of a text'));
  expect(told.map((line) => /rule "(\w+)", arguments\.\/to/.exec(line)?.[1])).toEqual([
    'loose',
    'end',
    'item',
  ]);
});
