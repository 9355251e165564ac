import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { getOrCreateDefaultSession } from '../../src/store/default-session.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import type { Way } from '../helpers/socket-io-client.ts';
import { SocketIoClients } from '../helpers/socket-io-clients.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const clients = new SocketIoClients();

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterEach(() => clients.close());
afterAll(() => harness.close());

const ways: Way[] = ['websocket', 'polling', 'upgraded'];

describe.each(ways)('over %s', (way) => {
  test('a turn: message, text, thoughts, end [sio-transports] [sio-thought]', async () => {
    const sub = `turn-${way}`;
    const client = await clients.connect(harness, sub, { way });
    const ack = await client.ask('user_message', { content: 'hello', id: 'm1' });
    expect(ack).toMatchObject({ id: 'm1', disposition: 'started' });
    const { session_id: sessionId } = await client.event('session_joined');
    expect(sessionId).toBe(await getOrCreateDefaultSession(harness.db, { tenant: 't', userId: sub }));
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.open();
    for (let n = 0; n < 50; n += 1) {
      step.say(`word${n} `);
      if (n % 5 === 0) step.say('hm ', { channel: 'thought' });
    }
    await until(() => client.textOf(step.messageId) === step.text);
    await step.close();
    const end = await client.event('conversation_complete');
    expect(end).toMatchObject({ id: step.turnId, session_id: sessionId, status: 'completed' });
    expect(client.of('agent_response_chunk').at(-1)).toMatchObject({ content: step.text, final: true });
    expect(client.of('agent_thought').at(-1)).toMatchObject({ content: step.thought, kind: 'reasoning' });
    expect(client.socket.io.engine.transport.name).toBe(way === 'polling' ? 'polling' : 'websocket');
  });
});
