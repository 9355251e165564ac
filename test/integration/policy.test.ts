import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runShow } from '../../src/cli/policy/show.ts';
import { testPolicy } from '../helpers/policy.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker();
});
afterAll(() => at.close());
beforeEach(() => writePolicy(testPolicy));

/** Put in place at once, as an editor or a deployment does. */
async function writePolicy(text: string): Promise<string> {
  const file = at.config.TURNGATE_POLICY;
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
  return createHash('sha256').update(text).digest('hex');
}

/** A turn in which the model asks for one `effect`; answers the call and the session. */
async function callEffect(text: string) {
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'user'
      ? [{ toolCall: { name: 'test__effect', arguments: { text } } }]
      : ['done'],
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  return { sessionId, call: await at.event(sessionId, 'tool_call') };
}

const effectsOf = (text: string) => at.effects().filter((effect) => effect.text === text);

describe('nothing runs', () => {
  test('where no rule fits', async () => {
    await writePolicy('rules: [{ id: only-echo, tool: test.echo, decide: allow }]');
    const { sessionId, call } = await callEffect('unruled');
    expect(call).toMatchObject({ gate: 'deny', rule: 'no-rule' });
    expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
    expect(effectsOf('unruled')).toEqual([]);
  });

  test('under a broken policy, until it is mended', async () => {
    await writePolicy('rules: [{ id: all, decide: alow }]');
    const { sessionId, call } = await callEffect('broken');
    expect(call).toMatchObject({ gate: 'deny', rule: 'policy-broken' });
    expect(call.reason).toMatch(/policy\.yaml:1: rule "all", decide: .*expected one of/);
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'denied' });
    await writePolicy('rules: [{ id: all, decide: allow }]');
    const mended = await callEffect('mended');
    expect(mended.call).toMatchObject({ gate: 'allow', rule: 'all' });
    expect(await at.event(mended.sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
    expect([effectsOf('broken').length, effectsOf('mended').length]).toEqual([0, 1]);
  });

  test('that was approved under a policy which denies it when it is to run', async () => {
    const { sessionId, call } = await callEffect('too late');
    await at.event(sessionId, 'tool_approval_request');
    await writePolicy('rules: [{ id: no-more, decide: deny, reason: It is denied from now on. }]');
    await at.decide(sessionId, call.tool_call_id, true);
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'denied' });
    expect(effectsOf('too late')).toEqual([]);
  });
});

test('rules look at the requester, their role, the agent and the arguments of the call', async () => {
  await writePolicy(`rules:
  - { id: members, role: member, decide: allow }
  - { id: others, user: [bob, carol], decide: allow }
  - { id: analysts, agent: analyst, decide: allow }
  - { id: hers, user: alice, role: owner, agent: default, arguments: { /text: { matches: "^fine$" } }, decide: allow }
  - { id: waits, arguments: { /text: { starts_with: "two" } }, decide: ask, approvers: { requester: false }, timeout: 90s }
`);
  expect((await callEffect('fine')).call).toMatchObject({ gate: 'allow', rule: 'hers' });
  expect((await callEffect('other')).call).toMatchObject({ gate: 'deny', rule: 'no-rule' });
  const { sessionId, call } = await callEffect('two of us');
  expect(call).toMatchObject({ gate: 'ask', rule: 'waits' });
  const request = await at.event(sessionId, 'tool_approval_request');
  expect(request.approvers).toEqual([]);
  expect(request.expires_at - request.ts).toBeGreaterThan(60_000);
  expect(request.expires_at - request.ts).toBeLessThanOrEqual(90_000);
});

test('rules look at the tenant of the session, when a call is proposed and when it is to run', async () => {
  await writePolicy(`rules:
  - { id: theirs, tenant: acme, decide: allow }
  - { id: ours, tenant: [t, initech], decide: ask }
`);
  const asked = await callEffect('of a tenant');
  expect(asked.call).toMatchObject({ gate: 'ask', rule: 'ours' });
  await at.event(asked.sessionId, 'tool_approval_request');
  await writePolicy(`rules:
  - { id: not-ours, tenant: t, decide: deny, reason: It is denied to this tenant. }
  - { id: rest, decide: allow }
`);
  await at.decide(asked.sessionId, asked.call.tool_call_id, true);
  expect(await at.event(asked.sessionId, 'tool_result')).toMatchObject({
    status: 'denied',
    error: { message: 'It is denied to this tenant.' },
  });
  expect(effectsOf('of a tenant')).toEqual([]);
});

describe('while the store does not answer, nothing is decided by a new policy', () => {
  const allowing = (id: string) => `rules: [{ id: ${id}, decide: allow }]`;

  let release: (() => Promise<void>) | undefined;
  afterEach(() => release?.());

  /** Holds the record of revisions, so that a worker that writes to it gets no answer. */
  async function holdRecord() {
    const tx = await at.db.connect();
    await tx.query('begin');
    await tx.query('lock table policy_revisions in access exclusive mode');
    const waits = `select 1 from pg_locks where relation = 'policy_revisions'::regclass and not granted`;
    release = async () => {
      release = undefined;
      await tx.query('rollback');
      tx.release();
    };
    const isAsked = () =>
      eventually('a worker that waits', async () => ((await at.db.query(waits)).rowCount ?? 0) > 0);
    return { isAsked, release };
  }

  test('about a call that the model asks for', async () => {
    const held = await holdRecord();
    await writePolicy(allowing('at-last'));
    const asking = callEffect('store away');
    await held.isAsked();
    expect(effectsOf('store away')).toEqual([]);
    await held.release();
    expect((await asking).call).toMatchObject({ gate: 'allow', rule: 'at-last' });
    const { sessionId } = await asking;
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
    expect(effectsOf('store away')).toHaveLength(1);
  });

  test('about a call that was approved and is to run', async () => {
    const { sessionId, call } = await callEffect('approved, store away');
    await at.event(sessionId, 'tool_approval_request');
    const held = await holdRecord();
    await writePolicy(allowing('at-last-too'));
    await at.decide(sessionId, call.tool_call_id, true);
    await held.isAsked();
    const types = (await at.events(sessionId)).map(({ type }) => type);
    expect(types).toContain('tool_approval_resolved');
    expect(types).not.toContain('tool_started');
    expect(effectsOf('approved, store away')).toEqual([]);
    await held.release();
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
    expect(effectsOf('approved, store away')).toHaveLength(1);
  });
});

test('turngate policy show lists the revisions on record, and prints one', async () => {
  const text = `${testPolicy}# to be shown\n`;
  const revision = await writePolicy(text);
  await callEffect('shown');
  const broken = await writePolicy('rules: []');
  await callEffect('not shown');
  const lines: string[] = [];
  await runShow(undefined, at.env, (line) => lines.push(line));
  expect(lines[0]).toMatch(new RegExp(`^${broken} .* broken: .*needs at least one rule`));
  expect(lines[1]).toMatch(new RegExp(`^${revision} \\d{4}-.*:${process.pid}$`));
  const shown: string[] = [];
  await runShow(revision.slice(0, 12), at.env, (line) => shown.push(line));
  expect(shown).toEqual([text]);
  await expect(runShow('nothing', at.env)).rejects.toThrow(/No revision .* begins with nothing/);
});

test('a revision is on record before anything is decided under it', async () => {
  const text = `${testPolicy}# of this test\n`;
  const revision = await writePolicy(text);
  const { call } = await callEffect('recorded');
  const { rows } = await at.db.query(
    'select text, fault, seen_by, first_seen_at from policy_revisions where revision = $1',
    [revision],
  );
  expect(rows).toEqual([
    {
      text,
      fault: null,
      seen_by: expect.stringContaining(`:${process.pid}`),
      first_seen_at: expect.any(Number),
    },
  ]);
  expect(rows[0].first_seen_at).toBeLessThanOrEqual(call.ts);
});

test('a worker does not start with a missing or broken policy, and says why', async () => {
  await writePolicy('rules: []');
  await expect(at.startWorker()).rejects.toThrow(
    /policy\.yaml:1: rules: needs at least one rule.*TURNGATE_POLICY/,
  );
  await expect(at.startWorker({ TURNGATE_POLICY: '/nowhere/policy.yaml' })).rejects.toThrow(
    /\/nowhere\/policy\.yaml cannot be read: there is no such file.*turngate policy check/,
  );
});
