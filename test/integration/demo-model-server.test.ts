import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

function start(env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'demo-model'], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  children.push(child);
  return child;
}

async function startReady(env: NodeJS.ProcessEnv = {}): Promise<{ url: string; child: ChildProcess }> {
  const child = start({ DEMO_MODEL_PACE_MS: '0', ...env });
  const [message] = await once(child, 'message');
  expect(message).toEqual({ type: 'ready', url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/) });
  return { url: message.url, child };
}

function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer whatever' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

const user = (content: string) => ({ role: 'user', content });
const toolCall = { id: 'c1', type: 'function', function: { name: 'office__send_mail', arguments: '{}' } };

describe('the demo model as a process', () => {
  test('serves models and answers, streamed or whole, with any key, and ends at SIGTERM', async () => {
    const { url, child } = await startReady();
    expect(await (await fetch(`${url}/models`)).json()).toMatchObject({ data: [{ id: 'turngate-demo' }] });
    const request = { model: 'm', messages: [user('tell me a story of 3 words')] };
    expect(await (await post(url, request)).json()).toMatchObject({
      object: 'chat.completion',
      model: 'm',
      choices: [{ message: { role: 'assistant', content: 'word-1 word-2 word-3' }, finish_reason: 'stop' }],
      usage: { completion_tokens: 3 },
    });
    const streamed = await (await post(url, { ...request, stream: true })).text();
    expect(streamed).toContain('"delta":{"content":" word-3"}');
    expect(streamed).not.toContain('"usage"');
    expect(streamed.endsWith('data: [DONE]\n\n')).toBe(true);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('refuses with 400 what real servers refuse', async () => {
    const { url } = await startReady();
    const asked = { role: 'assistant', content: null, tool_calls: [toolCall] };
    const answered = { role: 'tool', tool_call_id: 'c1', content: 'ok' };
    const refused: [unknown, RegExp][] = [
      [{ model: 'm', messages: [user('x'), asked, user('y')] }, /did not have response messages: c1/],
      [{ model: 'm', messages: [user('x'), asked] }, /did not have response messages: c1/],
      [{ model: 'm', messages: [user('x'), answered] }, /must be a response to a preceding message/],
      [{ model: 'm', messages: [user('x'), asked, answered, answered] }, /must be a response/],
      [{ model: 'm', messages: [user('x')], tools: [] }, /tools/],
      [{ messages: [user('x')] }, /model/],
      ['{', /JSON/],
    ];
    for (const [body, message] of refused) {
      const response = await post(url, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { message: expect.stringMatching(message) } });
    }
    expect((await post(url, { model: 'm', messages: [user('x'), asked, answered] })).status).toBe(200);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  test('streams at the pace that is set, and stops when the client goes away', async () => {
    const { url } = await startReady({ DEMO_MODEL_PACE_MS: '5' });
    const begin = performance.now();
    const request = { model: 'm', stream: true, messages: [user('tell me a story of 60 words')] };
    await (await post(url, request)).text();
    // 60 pieces and a beginning, at 5 ms: 240 ms at the very least.
    expect(performance.now() - begin).toBeGreaterThan(150);
    const controller = new AbortController();
    const long = { ...request, messages: [user('tell me a story of 90000 words')] };
    const response = await post(url, long, controller.signal);
    controller.abort();
    await expect(response.text()).rejects.toThrow();
    expect((await post(url, request)).status).toBe(200);
  });

  test('says in one sentence why it cannot start', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const cases: [NodeJS.ProcessEnv, string][] = [
      [{ DEMO_MODEL_PORT: port }, `The demo model cannot listen on 127.0.0.1:${port}: the port is taken`],
      [{ DEMO_MODEL_PACE_MS: 'fast' }, 'DEMO_MODEL_PACE_MS must be a whole number'],
    ];
    for (const [env, sentence] of cases) {
      const child = start(env);
      let said = '';
      child.stderr?.on('data', (chunk) => {
        said += chunk;
      });
      const [code] = await once(child, 'close');
      expect(code).toBe(1);
      expect(said.trim().split('\n')).toEqual([expect.stringContaining(sentence)]);
    }
    await new Promise((closed) => taken.close(closed));
  });
});
