import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type DevRun, repository, startDev, stopDev } from '../helpers/dev.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

const examples = join(repository, 'examples');

// What README shows as a first tool and as one's own login, run as README says.
describe('the examples of README', () => {
  let folder: string;
  let run: DevRun;
  let login: ChildProcess | undefined;
  beforeAll(async () => {
    folder = openFolder('turngate-examples-');
    run = await startDev({
      folder,
      env: {
        TURNGATE_MCP_CONFIG: join(examples, 'first-tool', 'mcp.json'),
        TURNGATE_AGENTS_DIR: join(examples, 'first-tool', 'agents'),
        TURNGATE_POLICY: join(examples, 'first-tool', 'policy.yaml'),
      },
    });
  });
  afterAll(async () => {
    login?.kill('SIGKILL');
    await stopDev(run);
    removeFolder(folder);
  });

  const signIn = async (address: string, password: string) =>
    fetch(address, { headers: { authorization: `Basic ${btoa(`ann:${password}`)}` } });

  test('a login of one’s own signs a token, and its user approves the first gated tool', async () => {
    const secretFile = join(run.data, 'jwt-secret');
    const child = spawn(process.execPath, [join(examples, 'login', 'server.ts')], {
      cwd: repository,
      env: { ...process.env, JWT_SECRET_FILE: secretFile, PORT: '0' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    login = child;
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    await until(() => output.includes('\n'));
    const address = /http:\S+/.exec(output)?.[0] ?? '';
    expect((await signIn(address, 'wrong')).status).toBe(401);
    const { token } = (await (await signIn(address, 'open sesame')).json()) as { token: string };

    const { http, ws } = run.info();
    const created = await fetch(`${http}/v1/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: '{}',
    });
    expect(created.status).toBe(201);
    const { id } = (await created.json()) as { id: string };
    const client = new SessionClient(`${ws}/v1/sessions/${id}/ws`, { token });
    expect((await client.frame('welcome')).user).toEqual({ id: 'ann', name: 'Ann', email: null });

    client.send({ type: 'message', content: 'send a mail to bob@example.com saying lunch at noon?' });
    const request = await client.frame('tool_approval_request', undefined, 30_000);
    expect(request.tool).toBe('post.send_mail');
    const sent = join(run.data, 'sent.txt');
    expect(existsSync(sent)).toBe(false);
    client.send({ type: 'tool_approval', tool_call_id: request.tool_call_id, approved: true });
    const end = await client.frame('turn_end', undefined, 30_000);
    expect(end.status).toBe('completed');
    expect(readFileSync(sent, 'utf8')).toBe('bob@example.com | Hello | lunch at noon?\n');
    expect(client.breaches).toEqual([]);
    client.terminate();
  });
});
