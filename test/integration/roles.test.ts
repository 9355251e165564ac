import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import { rightHolders } from '../../src/protocol/roles.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterAll(() => harness.close());

/** A session of alice's in which bob has a role and a tool call waits. */
async function shared(role: ParticipantRole): Promise<{ sessionId: string; toolCallId: string }> {
  const sessionId = await harness.session();
  await harness.join(sessionId, 'bob', role);
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('do it');
  await step.open();
  const call = gatedCall();
  await step.close({ calls: [call] });
  return { sessionId, toolCallId: call.toolCallId };
}

const asBob = (sessionId: string) =>
  signToken({ sub: 'bob' }).then((token) => harness.connect(sessionId, { token }));

/** Sends a frame and answers `ack`, or the code and words of the refusal. */
async function ask(client: SessionClient, frame: { id: string } & Record<string, unknown>) {
  client.send(frame);
  const isAnswer = ({ id }: { id?: string | undefined }) => id === frame.id;
  const answer = await Promise.any([client.frame('ack', isAnswer), client.frame('error', isAnswer)]);
  return answer.type === 'ack' ? 'ack' : `${answer.code}: ${answer.error}`;
}

describe('what a role may do, by frame and over HTTP', () => {
  test.each(['owner', 'member', 'approver', 'viewer'] as const)(
    '%s [role-owner] [role-member] [role-approver] [role-viewer] [role-forbidden]',
    async (role) => {
      const { sessionId, toolCallId } = await shared(role);
      const client = await asBob(sessionId);
      await client.frame('message_saved');
      const may = (right: 'message' | 'decide' | 'cancel') =>
        rightHolders[right].includes(role)
          ? 'ack'
          : expect.stringMatching(
              new RegExp(`^forbidden: .*roles: ${rightHolders[right].join(', ')}. Yours is ${role};`),
            );
      expect(await ask(client, { type: 'message', id: 'm', content: 'hello' })).toEqual(may('message'));
      const decision = { type: 'tool_approval', id: 'd', tool_call_id: toolCallId, approved: false };
      expect(await ask(client, decision)).toEqual(may('decide'));
      expect(await ask(client, { type: 'cancel', id: 'c' })).toEqual(may('cancel'));

      const path = `${harness.http}/v1/sessions/${sessionId}`;
      const headers = { authorization: `Bearer ${await signToken({ sub: 'bob' })}` };
      const post = (what: string, body: object) =>
        fetch(`${path}/${what}`, { method: 'POST', headers, body: JSON.stringify(body) });
      const writes = rightHolders.message.includes(role) ? 202 : 403;
      expect((await post('messages', { content: 'hello' })).status).toBe(writes);
      expect((await post('cancel', {})).status).toBe(writes);
      for (const what of ['', '/messages', '/events']) {
        expect((await fetch(`${path}${what}`, { headers })).status).toBe(200);
      }
    },
  );
});

test('who was removed can do nothing, also while the socket is still open', async () => {
  const { sessionId, toolCallId } = await shared('owner');
  const client = await asBob(sessionId);
  await client.frame('message_saved');
  await harness.db.query(`delete from participants where session_id = $1 and user_id = 'bob'`, [sessionId]);
  const refusal = 'forbidden: You do not take part in this session. Ask its owner to add you.';
  for (const frame of [
    { type: 'message', id: 'm', content: 'hello' },
    { type: 'tool_approval', id: 'd', tool_call_id: toolCallId, approved: true },
    { type: 'cancel', id: 'c' },
    { type: 'received', id: 's', seq: 1 },
    { type: 'typing', id: 't', active: true },
    { type: 'resume', id: 'r', last_seq: 0 },
  ]) {
    expect(await ask(client, frame)).toBe(refusal);
  }
  expect((await client.end()).code).toBe(4003);
  expect(client.of('message_saved').length).toBe(1);
  const { rows } = await harness.db.query(
    `select (select count(*) from messages where session_id = $1 and user_id = 'bob') as messages,
       (select count(*) from decisions where tool_call_id = $2) as decisions,
       (select count(*) from turns where session_id = $1 and cancel_requested_by = 'bob') as cancels`,
    [sessionId, toolCallId],
  );
  expect(rows[0]).toEqual({ messages: 0, decisions: 0, cancels: 0 });
});
