import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

let harness: GatewayHarness;
let folder = '';

const write = (name: string, more = '') =>
  writeFileSync(join(folder, `${name}.yaml`), `name: ${name}\ninstructions: x\nmodel: m\n${more}`);

beforeAll(async () => {
  folder = openFolder('turngate-agents-');
  write('default');
  write('reader', 'description: Only reads.\n');
  harness = await openGatewayHarness({ config: { TURNGATE_AGENTS_DIR: folder } });
});
afterAll(async () => {
  await harness.close();
  removeFolder(folder);
});

const names = async () => {
  const { body } = await harness.ask('GET', '/v1/agents');
  return (body.agents as { name: string }[]).map((agent) => agent.name);
};

test('tells the agents and what they are for [http-agents]', async () => {
  expect(await harness.ask('GET', '/v1/agents')).toEqual({
    status: 200,
    body: { agents: [{ name: 'default' }, { name: 'reader', description: 'Only reads.' }] },
  });
});

test('a session is made with an agent that there is, and with no other [http-create-agent]', async () => {
  const made = await harness.ask('POST', '/v1/sessions', { body: { agent: 'reader' } });
  expect(made).toMatchObject({ status: 201, body: { agent: 'reader' } });
  for (const agent of ['nobody', '../default', 'constructor']) {
    const refused = await harness.ask('POST', '/v1/sessions', { body: { agent } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'validation_error' } });
  }
  const { body } = await harness.ask('POST', '/v1/sessions', { body: { agent: 'nobody' } });
  expect(body.detail).toContain('there is no agent "nobody"; there are: default, reader.');
});

test('what is added, broken or taken away counts at once; who asks again for a session gets it all the same', async () => {
  write('late');
  expect(await names()).toEqual(['default', 'late', 'reader']);
  const body = { id: 'mine', agent: 'late' };
  const made = await harness.ask('POST', '/v1/sessions', { body });
  expect(made.status).toBe(201);
  writeFileSync(join(folder, 'late.yaml'), 'name: late\nmodell: m\n');
  expect(await names()).toEqual(['default', 'reader']);
  rmSync(join(folder, 'late.yaml'));
  expect(await names()).toEqual(['default', 'reader']);
  const again = await harness.ask('POST', '/v1/sessions', { body });
  expect(again).toMatchObject({ status: 200, body: { id: made.body.id, agent: 'late' } });
  expect((await harness.ask('POST', '/v1/sessions', { body: { agent: 'late' } })).status).toBe(400);
});
