import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, createClient, type FeedEvent } from '../../src/client/index.ts';
import { png } from '../helpers/files.ts';
import { type GatewayHarness, signToken, until } from '../helpers/gateway.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import type { Wire } from '../helpers/wire.ts';
import { openWiredClient, type WiredClient } from '../helpers/wired-client.ts';

let at: GatewayHarness;
let wire: Wire;
let client: Client;
let closing: WiredClient['closing'];
let close: WiredClient['close'];

beforeAll(async () => {
  ({ at, wire, client, closing, close } = await openWiredClient());
});
afterAll(() => close());

/** A new session in which a call waits for an approval. */
async function ask(): Promise<{ sessionId: string; toolCallId: string }> {
  const sessionId = await at.session();
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await step.ask('send it');
  await step.open();
  const call = gatedCall();
  await step.close({ calls: [call] });
  return { sessionId, toolCallId: call.toolCallId };
}

describe('the feed', () => {
  test('has what waits, in whichever session, over a cut, and decides it', async () => {
    const before = await ask();
    const feed = client.feed();
    closing.push(feed);
    const seen: FeedEvent[] = [];
    const reading = (async () => {
      for await (const event of feed.events()) seen.push(event);
    })();
    await until(() => feed.getSnapshot().connection.kind === 'open');
    const waiting = () => feed.getSnapshot().approvals.map((approval) => approval.toolCallId);
    expect(waiting()).toEqual([before.toolCallId]);
    const during = await ask();
    await until(() => waiting().length === 2);
    wire.cut();
    await until(() => feed.getSnapshot().connection.kind === 'waiting');
    const away = await ask();
    const decided = feed.decide(before.toolCallId, { approved: false, reason: 'no' });
    wire.mend();
    expect(await decided).toMatchObject({ disposition: 'recorded' });
    await until(() => waiting().join() === [during.toolCallId, away.toolCallId].join());
    expect(feed.getSnapshot().approvals[1]).toMatchObject({
      sessionId: away.sessionId,
      tool: 'office.send_mail',
      argumentsHash: 'hash-of-arguments',
    });
    const from = seen[0] && 'seq' in seen[0] ? seen[0].seq : 0;
    feed.close();
    await reading;
    const seqs = seen.map((event) => ('seq' in event ? event.seq : 0));
    expect(seqs).toEqual(seqs.map((_, index) => from + index));
    expect(seqs.at(-1)).toBe(feed.getSnapshot().lastSeq);
  });

  test('of a session that is gone nothing waits any more', async () => {
    const asked = await ask();
    const feed = client.feed();
    closing.push(feed);
    await until(() => feed.getSnapshot().approvals.some((one) => one.sessionId === asked.sessionId));
    await client.sessions.remove(asked.sessionId);
    await until(() => feed.getSnapshot().changes.some((change) => change.session_id === asked.sessionId));
    expect(feed.getSnapshot().approvals.every((one) => one.sessionId !== asked.sessionId)).toBe(true);
    await expect(client.sessions.get(asked.sessionId)).rejects.toMatchObject({
      code: 'not_found',
      status: 404,
    });
  });
});

test('the inbox over HTTP: what waits, and a decision on it', async () => {
  const { toolCallId } = await ask();
  const { approvals } = await client.approvals.list({ status: 'pending', limit: 50 });
  const argumentsHash = approvals.find((one) => one.tool_call_id === toolCallId)?.arguments_hash;
  expect(argumentsHash).toBe('hash-of-arguments');
  expect(await client.approvals.decide(toolCallId, { approved: true, argumentsHash })).toMatchObject({
    disposition: 'recorded',
  });
  await expect(client.approvals.decide(toolCallId, { approved: false })).rejects.toMatchObject({
    code: 'conflict',
  });
});

test('a file is uploaded, named in a message, shown with it, and read', async () => {
  const { id } = await client.sessions.create({ title: 'Files' });
  const session = client.session(id);
  closing.push(session);
  const file = await client.attachments.upload(
    id,
    new Blob([new Uint8Array(png)], { type: 'image/png' }),
    'dot.png',
  );
  await session.send('look', { attachments: [file] });
  await until(() => session.getSnapshot().messages[0]?.attachments.length === 1);
  expect(session.getSnapshot().messages[0]).toMatchObject({
    content: 'look',
    attachments: [{ name: 'dot.png' }],
  });
  const bytes = await (await client.attachments.download(file.id)).arrayBuffer();
  expect(Buffer.from(bytes).equals(png)).toBe(true);
  await client.sessions.change(id, { title: 'Pictures' });
  await until(() => session.getSnapshot().title === 'Pictures');
});

test('a token that ends is renewed, and the connection goes on', async () => {
  let asked = 0;
  const brief = createClient({
    url: at.http,
    token: () => {
      asked += 1;
      return signToken({}, { expires: asked === 1 ? '2s' : '1h' });
    },
  });
  const session = brief.session(await at.session(), { lastSeq: 0 });
  closing.push(session);
  const kinds: string[] = [];
  session.store.subscribe(() => kinds.push(session.getSnapshot().connection.kind));
  await until(() => session.getSnapshot().connection.kind === 'open');
  const endsAt = Date.now() + 3_500;
  await until(() => Date.now() > endsAt);
  expect(await session.send('still here')).toMatchObject({ disposition: 'started' });
  expect(asked).toBe(2);
  expect(kinds.filter((kind) => kind === 'waiting' || kind === 'stopped')).toEqual([]);
});
