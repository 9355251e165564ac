import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness({ timings: { pollMs: 300 } });
});
afterAll(() => harness.close());

async function streaming() {
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('talk to me');
  return { sessionId, step };
}

describe('delivery', () => {
  test('a turn arrives at every device, character by character [ws-devices] [live-stream_delta] [live-thought_delta]', async () => {
    const { sessionId, step } = await streaming();
    const clients = await Promise.all([1, 2, 3].map(() => harness.connect(sessionId)));
    await step.open();
    for (let n = 0; n < 200; n += 1) {
      if (n % 5 === 0) step.say('hm ', { channel: 'thought' });
      step.say(`word${n} 😀 `);
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const client of clients) {
      await until(() => client.textOf(step.messageId) === step.text);
      expect(client.view.shown.get(step.messageId)).toMatchObject({ thought: step.thought, isFinal: false });
    }
    await step.close();
    for (const client of clients) {
      await client.frame('turn_end');
      await client.frame('agent_status', ({ status }) => status === 'idle');
      expect(client.textOf(step.messageId)).toBe(step.text);
      expect(client.breaches).toEqual([]);
    }
  });

  test('who joins in mid-stream gets all events, one snapshot, and then deltas [live-stream_snapshot] [client-resume] [ws-last_seq] [text-snapshot]', async () => {
    const { sessionId, step } = await streaming();
    const first = await harness.connect(sessionId);
    await step.open();
    step.say('Once upon ');
    await step.draft();
    step.say('a time ');
    await until(() => first.textOf(step.messageId) === step.text);
    const second = await harness.connect(sessionId);
    await until(() => second.textOf(step.messageId) === step.text);
    step.say('there was');
    await until(() => second.textOf(step.messageId) === step.text);
    expect(second.of('stream_snapshot').length).toBe(1);
    expect(second.frames.findIndex(({ type }) => type === 'stream_snapshot')).toBeGreaterThan(
      second.frames.findIndex(({ type }) => type === 'stream_start'),
    );
    // With last_seq only what came after it.
    const third = await harness.connect(sessionId, { query: { last_seq: String(second.lastSeq) } });
    await until(() => third.textOf(step.messageId) === step.text);
    expect(third.of('message_saved')).toEqual([]);
    first.resume(0);
    await until(() => first.lastSeq === second.lastSeq && first.textOf(step.messageId) === step.text);
    await step.close();
    for (const client of [first, second, third]) {
      await client.frame('turn_end');
      expect(client.breaches).toEqual([]);
    }
  });

  test('a gateway that begins to serve in mid-stream starts from the draft', async () => {
    const { sessionId, step } = await streaming();
    await step.open();
    step.say('said before anybody looked; ');
    await step.draft();
    step.say('not in the draft yet; ', { lost: true });
    const client = await harness.connect(sessionId);
    await until(() => client.textOf(step.messageId) === 'said before anybody looked; ');
    step.say('said after.');
    await step.draft();
    await until(() => client.textOf(step.messageId) === step.text);
    await step.close();
    await client.frame('turn_end');
    expect(client.breaches).toEqual([]);
  });

  test('a last_seq from the future is answered with an error and the end of the session', async () => {
    const { sessionId } = await streaming();
    const client = await harness.connect(sessionId, { query: { last_seq: '999' } });
    expect(await client.frame('error')).toMatchObject({ code: 'validation_error' });
    client.view.lastSeq = 1;
    client.send({ type: 'message', content: 'more' });
    await client.frame('message_saved');
    expect(client.breaches).toEqual([]);
  });

  test('many events are delivered in pages, in order [event-seq]', async () => {
    const { sessionId } = await streaming();
    await harness.db.query(
      `with more as (
         insert into events (session_id, seq, event_key, type, body)
         select $1, n, 'bulk:' || n, 'tool_started', jsonb_build_object('tool_call_id', 'c' || n, 'attempt', 1)
         from generate_series(2, 1500) n)
       update sessions set last_seq = 1500 where id = $1`,
      [sessionId],
    );
    const client = await harness.connect(sessionId);
    await until(() => client.lastSeq === 1_500);
    expect(client.breaches).toEqual([]);
  });
});

describe('what is lost on the live plane', () => {
  test('events that nobody published arrive by the slow poll', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await client.frame('message_saved');
    await step.open({ publish: false });
    await client.frame('stream_start', undefined, 2_000);
    step.say('heard');
    await step.close({ publish: false });
    await client.frame('turn_end', undefined, 2_000);
    expect(client.textOf(step.messageId)).toBe('heard');
    expect(client.breaches).toEqual([]);
  });

  test('an event that was lost is read when the next one comes', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open({ publish: false });
    step.say('text');
    await step.close();
    await client.frame('turn_end', undefined, 250);
    expect(client.breaches).toEqual([]);
  });

  test('a lost delta is healed by a snapshot from the draft [text-gap]', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    step.say('one ');
    await until(() => client.textOf(step.messageId) === 'one ');
    step.say('two ', { lost: true });
    step.say('three ');
    step.say('four ', { channel: 'thought' });
    await step.draft();
    await until(() => client.textOf(step.messageId) === step.text);
    step.say('five');
    await until(() => client.textOf(step.messageId) === step.text);
    expect(client.of('stream_snapshot').length).toBe(1);
    expect(client.breaches).toEqual([]);
  });

  test('a stream whose deltas are all lost is healed without one', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    await client.frame('stream_start');
    step.say('nobody heard this', { lost: true });
    await step.draft();
    await until(() => client.textOf(step.messageId) === step.text, 3_000);
    expect(client.breaches).toEqual([]);
  });

  test('deltas that come twice or of an older attempt change nothing', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    const old = step.say('first try');
    harness.worker.publish(old);
    await until(() => client.textOf(step.messageId) === 'first try');
    await step.open();
    await client.frame('stream_reset');
    await client.frame('agent_status', ({ status }) => status === 'retrying');
    harness.worker.publish(old);
    const again = step.say('second');
    harness.worker.publish(again);
    step.say(' try');
    await until(() => client.textOf(step.messageId) === 'second try');
    await step.close();
    await client.frame('turn_end');
    expect(client.textOf(step.messageId)).toBe('second try');
    expect(client.breaches).toEqual([]);
  });

  test('an event too large for the plane arrives whole', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    step.say('€uro '.repeat(20_000));
    await step.close();
    const end = await client.frame('stream_end');
    expect(end.content).toBe(step.text);
    expect(client.breaches).toEqual([]);
  });

  test('every connection of the gateway to Postgres is killed in mid-stream: nothing is missing in the end', async () => {
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    step.say('before ');
    await until(() => client.textOf(step.messageId) === step.text);
    const admin = new pg.Client({ connectionString: harness.databaseUrl, application_name: 'test-admin' });
    await admin.connect();
    const { rowCount } = await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'test-gateway%'`,
    );
    await admin.end();
    expect(rowCount).toBeGreaterThan(2);
    step.say('while it is deaf ');
    // The pool may hand out a connection whose end it has not heard of yet; a worker writes its draft again, too.
    await until(() =>
      step.draft().then(
        () => true,
        () => false,
      ),
    );
    await until(() => client.textOf(step.messageId) === step.text);
    // A statement on a connection that is just dying fails, and its message may be sent again.
    await until(async () => {
      const answers = client.frames.length;
      client.send({ type: 'message', id: 'after', content: 'still there?' });
      await until(() => client.frames.slice(answers).some(({ type }) => type === 'ack' || type === 'error'));
      return client.of('ack').length > 0;
    });
    await step.close();
    await client.frame('turn_end');
    expect(client.textOf(step.messageId)).toBe(step.text);
    expect(client.breaches).toEqual([]);
  });
});

describe('what the agent does', () => {
  test('is told to who joins, and waiting and idle are told by the gateway [status-connect] [live-agent_status]', async () => {
    const { sessionId, step } = await streaming();
    const early = await harness.connect(sessionId);
    await step.open();
    const notice = {
      type: 'agent_status' as const,
      status: 'streaming' as const,
      turn_id: step.turnId,
      details: { heartbeat_at: Date.now(), attempt: 1 },
    };
    step.say('x');
    harness.worker.publish({ kind: 'notice', sessionId, frame: notice });
    await early.frame('agent_status', ({ status }) => status === 'streaming');
    const joining = await harness.connect(sessionId);
    expect(await joining.frame('agent_status')).toEqual(notice);
    const call = gatedCall();
    await step.close({ calls: [call] });
    await early.frame(
      'agent_status',
      ({ status, details }) => status === 'waiting_approval' && details.tool_call_id === call.toolCallId,
    );
    const late = await harness.connect(sessionId);
    expect(await late.frame('agent_status')).toMatchObject({
      status: 'waiting_approval',
      turn_id: step.turnId,
    });
  });
});
