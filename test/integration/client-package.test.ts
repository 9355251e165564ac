import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { openChromium } from '../helpers/chromium.ts';
import { type ClientProject, openClientProject } from '../helpers/client-project.ts';
import { type GatewayHarness, openGatewayHarness, signToken, until } from '../helpers/gateway.ts';
import { removeFolder } from '../helpers/services.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { openWire, type Wire } from '../helpers/wire.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const mostBytes = 20_000;

const page = `<!doctype html><meta charset="utf-8"><title>A page</title>
<script type="importmap">{ "imports": { "turngate/client": "/node_modules/turngate/client/index.js" } }</script>
<script type="module">
import { createClient } from 'turngate/client';
globalThis.start = (url, token, id) => {
  const session = createClient({ url, token }).session(id);
  const show = () => { document.body.textContent = session.getSnapshot().messages.map((m) => m.content).join('|'); };
  session.store.subscribe(show);
  globalThis.session = session;
};
</script><body></body>`;

let at: GatewayHarness;
let project: ClientProject;
let served: Awaited<ReturnType<ClientProject['serve']>>;
let browser: Browser;
let wire: Wire;

beforeAll(async () => {
  browser = await openChromium();
  project = await openClientProject();
  served = await project.serve(page);
  at = await openGatewayHarness({ origins: served.url });
  wire = await openWire(at.http);
}, 400_000);
afterAll(async () => {
  // What could not be opened must not keep the rest open.
  await Promise.all([browser?.close(), served?.close(), wire?.close()]);
  await at?.close();
  if (project) removeFolder(project.folder);
});

/** Waits for a session's queued message and begins to answer it. */
async function beginAnswer(sessionId: string): Promise<StreamingStep> {
  const step = new StreamingStep(at.db, at.worker, sessionId);
  await until(async () => {
    const { rows } = await at.db.query('select 1 from turns where session_id = $1 and status = $2', [
      sessionId,
      'queued',
    ]);
    return rows.length > 0;
  });
  await step.open();
  return step;
}

describe('the packed client, installed in an empty project', () => {
  test('is small, and has JavaScript and declarations and nothing that it depends on', () => {
    expect(project.packed).toEqual(
      expect.arrayContaining(['package.json', 'README.md', 'client/index.js', 'client/index.d.ts']),
    );
    const installed = join(project.folder, 'project', 'node_modules', 'turngate');
    const about = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect(about).not.toHaveProperty('dependencies');
    expect(about).toMatchObject({ name: 'turngate', exports: { './client': expect.anything() } });
    const code = readFileSync(join(installed, 'client', 'index.js'));
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(mostBytes);
    expect(code.toString('utf8')).not.toMatch(/\bfrom\s*["']|\bimport\s*\(|\brequire\s*\(/);
  });

  test('runs in Node as the documentation says', async () => {
    const examples = readFileSync(join(repository, 'docs', 'client.md'), 'utf8').matchAll(
      /```js\n(.*?)```/gs,
    );
    const code = [...examples].map(([, text]) => text).join('\n');
    const real = code
      .replace('https://agents.example.com', at.http)
      .replace("fetch('/token').then((answer) => answer.text())", `'${await signToken()}'`);
    expect(real).toContain(at.http);
    const running = project.node('example.js', `${real}\nsession.close();\n`);
    const answering = until(async () => (await at.db.query('select 1 from turns')).rows.length > 0);
    await Promise.race([answering, running]);
    const { rows } = await at.db.query<{ session_id: string }>('select session_id from turns');
    const step = await beginAnswer(rows[0]?.session_id ?? '');
    step.say('Good day.');
    await step.close();
    expect(await running).toContain('assistant Good day.');
  });

  test('ends no process by a rejection that nobody waits for, and lets it end when it is closed', async () => {
    const code = `import { createClient } from 'turngate/client';
      const gone = createClient({ url: 'http://127.0.0.1:9', token: () => { throw new Error('none'); } });
      gone.sessions.list();
      gone.approvals.decide('x', { approved: true });
      const session = gone.session('s');
      for (const work of [session.send('x'), session.decide('c', { approved: true }), session.cancel()]) void work;
      const feed = gone.feed();
      feed.decide('c', { approved: true });
      const real = createClient({ url: '${at.http}', token: '${await signToken()}' });
      const open = real.session('${await at.session()}');
      const isOpen = () => open.getSnapshot().connection.kind === 'open';
      await new Promise((done) => open.store.subscribe(() => isOpen() && done()));
      open.loadOlder();
      for (const one of [session, feed, open]) one.close();
      open.loadOlder();
      console.log(open.getSnapshot().connection.kind);`;
    expect((await project.node('silent.js', code)).trim()).toBe('stopped');
  });

  test('has types that say what is wrong', async () => {
    const right = `import { createClient, undecided, type SessionSnapshot } from 'turngate/client';
      const client = createClient({ url: 'http://x', token: async ({ refused }) => refused ?? 't' });
      const session = client.session('s', { device: 'd', events: ['stream_delta'] });
      const view: SessionSnapshot = session.getSnapshot();
      const ids: string[] = undecided(view).map((call) => call.id);
      for await (const event of session.events()) if (event.type === 'tool_result') ids.push(event.status);
      session.send('x', { onBusy: 'enqueue' }).then((ack) => ack.turn_id?.toUpperCase());
      client.sessions.list({ limit: 1 }).then((page) => page.next?.length);`;
    expect(await project.complaints('right.ts', right)).toBe('');
    const wrong = `import { createClient } from 'turngate/client';
      const session = createClient({ url: 'http://x', token: 't' }).session('s');
      session.send(1);
      session.getSnapshot().messages.push();
      const status: 'nonsense' = session.getSnapshot().turns[0]!.status;
      export { status };`;
    const said = await project.complaints('wrong.ts', wrong);
    for (const line of [3, 4, 5]) expect(said).toContain(`wrong.ts(${line},`);
  });

  test('runs in Chromium: streams, and goes on after a lost connection', async () => {
    const id = await at.session();
    const tab = await browser.newPage();
    const faults: string[] = [];
    tab.on('pageerror', (error) => faults.push(String(error)));
    await tab.goto(served.url);
    const token = await signToken();
    const shows = (text: string) => tab.waitForFunction(`document.body.textContent === '${text}'`);
    await tab.evaluate(`start('${wire.url.slice(0, -1)}', '${token}', '${id}')`);
    await tab.evaluate(`session.send('hello')`);
    const step = await beginAnswer(id);
    step.say('Good');
    await shows('hello|Good');
    wire.cut();
    await tab.waitForFunction(`session.getSnapshot().connection.kind === 'waiting'`);
    step.say(' day');
    await step.draft();
    wire.mend();
    await shows('hello|Good day');
    step.say('.');
    await step.close();
    await tab.waitForFunction(`session.getSnapshot().turns.at(-1)?.status === 'completed'`);
    expect(await tab.evaluate('document.body.textContent')).toBe('hello|Good day.');
    expect(faults).toEqual([]);
    await tab.close();
  });
});
