import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { grantsPage } from '../../src/protocol/approvals.ts';
import { type Asked, type GateHarness, mailSchema, openGateHarness } from '../helpers/gate-harness.ts';
import { ended, say, waitMs } from '../helpers/gate-talk.ts';
import { problemIn } from '../helpers/http.ts';

let at: GateHarness;
beforeAll(async () => {
  at = await openGateHarness();
});
afterAll(() => at.close());

test('a remembered approval lets the tool run, in its session or for good; it is listed and taken back [approval-remember] [http-grants] [http-revoke_grant]', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask({ to: 'one' });
  await say(asked.alice, await asked.request(), { approved: true, remember: 'session' });
  expect(await asked.alice.frame('tool_approval_resolved')).toMatchObject({ remember: 'session' });
  await ended(asked);
  const again = async (to: string) => {
    const turnId = await at.say(asked.sessionId, JSON.stringify({ to }));
    return asked.alice.frame('turn_end', (frame) => frame.turn_id === turnId, waitMs);
  };
  await again('two');
  expect(at.sent().at(-1)).toEqual({ to: 'two' });
  const allowed = asked.alice.of('tool_call').at(-1);
  expect(allowed).toMatchObject({
    gate: 'allow',
    reason: expect.stringContaining('alice allowed this tool for this session'),
  });
  // Another session asks.
  const other = await at.ask({ to: 'elsewhere' });
  const elsewhere = await other.request();
  await say(other.alice, elsewhere, { approved: true, remember: 'always' });
  await ended(other);
  const third = await at.ask({ to: 'third' });
  await ended(third);
  expect(at.sent().at(-1)).toEqual({ to: 'third' });
  expect(third.alice.of('tool_approval_request')).toEqual([]);

  const { grants } = grantsPage.parse((await at.api('alice', '/v1/grants')).body);
  expect(grants.map(({ scope, granted_by, tool }) => ({ scope, granted_by, tool }))).toEqual([
    { scope: 'always', granted_by: 'alice', tool: 'mail.send' },
    { scope: 'session', granted_by: 'alice', tool: 'mail.send' },
  ]);
  const stranger = await at.api('mallory', `/v1/grants/${grants[0]?.id}`, { method: 'DELETE' });
  expect(problemIn(stranger)).toEqual([404, 'not_found']);
  for (const { id } of grants) {
    expect((await at.api('alice', `/v1/grants/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await at.api('alice', `/v1/grants/${id}`, { method: 'DELETE' })).status).toBe(204);
  }
  expect(grantsPage.parse((await at.api('alice', '/v1/grants')).body).grants).toEqual([]);
  const asks = await at.ask({ to: 'asked again' });
  await say(asks.alice, await asks.request(), { approved: false });
  await ended(asks);
});

test('a grant falls with its tool, its policy, and with who gave it; the rule bounds it [approval-grant_falls]', async () => {
  const give = async () => {
    const asked = await at.ask({ to: 'given' });
    const request = await asked.request();
    expect(await say(await asked.as('max'), request, { approved: true, remember: 'session' })).toMatchObject({
      disposition: 'recorded',
    });
    await ended(asked);
    return asked;
  };
  const asksAgain = async (asked: Asked) => {
    const calls = asked.alice.of('tool_approval_request').length;
    await at.say(asked.sessionId, '{"to":"after"}');
    const request = await asked.alice.frame(
      'tool_approval_request',
      (frame) => asked.alice.of('tool_approval_request').indexOf(frame) >= calls,
      waitMs,
    );
    await say(asked.alice, request, { approved: false });
  };
  at.mailRule('remember: always');
  const byTool = await give();
  at.tool({ schema: { ...mailSchema, title: 'changed' } });
  // The list of tools is read anew when it is to run: let through by what was known, stopped by what is.
  await asksAgain(byTool);
  at.tool({});

  const byPolicy = await give();
  at.mailRule('remember: always, reason: "Said otherwise."');
  await asksAgain(byPolicy);

  const byGiver = await give();
  await at.db.query(`delete from participants where session_id = $1 and user_id = 'max'`, [
    byGiver.sessionId,
  ]);
  await asksAgain(byGiver);

  at.mailRule('remember: once');
  const asked = await at.ask({ to: 'never remembered' });
  const request = await asked.request();
  expect(await say(asked.alice, request, { approved: true, remember: 'session' })).toMatchObject({
    code: 'validation_error',
    error: expect.stringContaining('"mail" lets it be remembered at most for "once"'),
  });
  await say(asked.alice, request, { approved: false });
  await ended(asked);
});
