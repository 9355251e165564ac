import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { tell } from '../helpers/tell.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness({ timings: { pollMs: 300 } });
});
afterAll(() => harness.close());

describe('what a device says it has received', () => {
  const received = async (sessionId: string, device: string, sub = 'alice') => {
    const token = await signToken({ sub });
    const client = await harness.connect(sessionId, { token, query: { device } });
    const { received_seq } = await client.frame('welcome');
    client.terminate();
    return received_seq;
  };

  test('is told to it when it comes back, and never goes back [client-received] [live-welcome]', async () => {
    const sessionId = await harness.session();
    await seatParticipants(harness.db, sessionId, { bob: 'member' });
    for (let n = 0; n < 5; n += 1) await tell(harness, sessionId, `n${n}`);
    const phone = await harness.connect(sessionId, { query: { device: 'phone' } });
    expect(phone.of('welcome')[0]?.received_seq).toBe(0);
    await until(() => phone.lastSeq === 5);
    for (const seq of [1, 2, 4, 3]) phone.send({ type: 'received', seq });
    phone.send({ type: 'ping', id: 'all read' });
    await phone.frame('pong');
    phone.send({ type: 'received', seq: 5, id: 'end' });
    phone.send({ type: 'received', seq: 6, id: 'future' });
    expect((await phone.frame('error')).id).toBe('future');
    phone.socket.close();
    await until(async () => (await received(sessionId, 'phone')) === 5);
    expect(await received(sessionId, 'desk')).toBe(0);
    expect(await received(sessionId, 'phone', 'bob')).toBe(0);
    const unnamed = await harness.connect(sessionId);
    expect(unnamed.of('welcome')[0]).not.toHaveProperty('received_seq');
    unnamed.send({ type: 'received', seq: 5 });
    unnamed.send({ type: 'received', seq: 99, id: 'too far' });
    expect((await unnamed.frame('error')).id).toBe('too far');
  });

  test('is written while the connection lasts, not with every frame', async () => {
    const sessionId = await harness.session();
    for (let n = 0; n < 50; n += 1) await tell(harness, sessionId, `n${n}`);
    const client = await harness.connect(sessionId, { query: { device: 'phone' } });
    await until(() => client.lastSeq === 50);
    for (let seq = 1; seq <= 50; seq += 1) client.send({ type: 'received', seq });
    const stored = async () => {
      const { rows } = await harness.db.query<{ seq: number; xmin: string }>(
        'select seq, xmin from receipts where session_id = $1',
        [sessionId],
      );
      return rows[0];
    };
    const versions = new Set<string>();
    await until(async () => {
      const row = await stored();
      if (row) versions.add(row.xmin);
      return row?.seq === 50;
    });
    expect(versions.size).toBeLessThanOrEqual(2);
  });
});
