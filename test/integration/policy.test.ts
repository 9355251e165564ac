import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { testPolicy } from '../helpers/policy.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

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
