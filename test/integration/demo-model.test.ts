import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createModelServer } from '../../src/cli/demo/model-server.ts';
import { helpText } from '../../src/cli/demo/texts.ts';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import type { ModelMessage, ModelTool, ModelToolCall } from '../../src/model/port.ts';
import { parseArguments } from '../../src/tools/arguments.ts';
import { createMcpTools } from '../../src/tools/mcp-tools.ts';
import { functionName, toolName } from '../../src/tools/names.ts';
import type { ToolPort } from '../../src/tools/port.ts';

const ignore = () => undefined;
let data = '';
let tools: ToolPort;
let server: Server;
let url = '';
let offered: ModelTool[] = [];
let known: string[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'turngate-demo-'));
  await mkdir(join(data, 'workspace'));
  tools = createMcpTools({
    configFile: resolve('mcp.json'),
    env: { ...process.env, TURNGATE_DATA: data },
    logger: { debug: ignore, warn: ignore },
    timeoutMs: 20_000,
  });
  const list = await tools.list();
  known = list.map((tool) => tool.name);
  offered = list.map(({ name, description, inputSchema }) => ({
    name: functionName(name),
    description,
    parameters: inputSchema,
  }));
  server = createModelServer(0).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/v1`;
});
afterAll(async () => {
  await tools.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await rm(data, { recursive: true, force: true });
});

let history: ModelMessage[] = [];
beforeEach(() => {
  history = [];
});

interface Turn {
  text: string;
  thought: string;
  /** The calls of each step, as `server.tool`. */
  steps: string[][];
}

/** What stands in for Turngate here: the step loop, with the real tools, and a word from `decide` instead of a gate. */
async function ask(
  asked: string,
  decide: (tool: string) => string | undefined = () => undefined,
): Promise<Turn> {
  const model = createOpenAiModel({ apiKey: '', baseUrl: url, silenceMs: 10_000 });
  history.push({ role: 'user', content: asked, parts: [] });
  const turn: Turn = { text: '', thought: '', steps: [] };
  for (let step = 0; step < 5; step += 1) {
    let content = '';
    const sink = {
      text: (piece: string) => {
        content += piece;
      },
      thought: (piece: string) => {
        turn.thought += piece;
      },
    };
    const signal = new AbortController().signal;
    const { toolCalls } = await model.stream(
      { model: 'any', messages: history, tools: offered, signal },
      sink,
    );
    history.push({ role: 'assistant', content, toolCalls });
    turn.text += `${content}\n`;
    if (toolCalls.length === 0) return turn;
    turn.steps.push(toolCalls.map((call) => toolName(call.name, known)));
    for (const call of toolCalls) {
      const word = decide(toolName(call.name, known)) ?? (await run(call));
      history.push({ role: 'tool', toolCallId: call.id, content: word });
    }
  }
  throw new Error('The demo model does not come to an end.');
}

async function run(call: ModelToolCall): Promise<string> {
  const parsed = parseArguments(call.arguments);
  if (!parsed.ok) return parsed.error;
  const signal = new AbortController().signal;
  const tool = toolName(call.name, known);
  return (
    await tools.call({
      ...{
        tool,
        toolHash: null,
        arguments: parsed.arguments,
        toolCallId: call.id,
        signal,
        onProgress: ignore,
      },
      onElicit: async () => ({ action: 'accept', content: { room: 'Birch' } }),
    })
  ).text;
}

const outbox = () => readFile(join(data, 'office', 'outbox.txt'), 'utf8').catch(() => '');

/** Every sentence of docs/demo-model.md, with what must come of it. */
const documented: Record<string, (asked: string) => Promise<void>> = {
  async hello(asked) {
    const { text, steps } = await ask(asked);
    expect(text).toContain('I am the demo model of Turngate');
    expect(text).toContain('not a language model');
    expect(steps).toEqual([]);
  },
  async 'search my mail for invoice'(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.search_mail']]);
    expect(text).toContain('2 mails found.');
    expect(text).toContain('Invoice 2031');
  },
  async "read today's report"(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.read_daily_report']]);
    expect(text).toContain('Orders: 128');
    expect(text).toContain('In short: orders 128 (+9 % against yesterday); revenue 14,310 EUR;');
  },
  async 'read the report of 1999-01-01'(asked) {
    expect((await ask(asked)).text).toContain(
      'That did not work. The reason I was given: There is no report of 1999',
    );
  },
  async 'send a mail to bob@example.com saying lunch at noon?'(asked) {
    const changed =
      '[A person changed the arguments before this ran, to {"to":"ann@example.com"}]\nSent to ann@example.com.';
    expect((await ask(asked, () => changed)).text).toContain(
      'A person changed what I asked for, to {"to":"ann@example.com"}. Done. Sent to ann@example.com.',
    );
    history = [];
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.send_mail']]);
    expect(text).toContain('Done. Sent to bob@example.com.');
    expect(await outbox()).toContain('To: bob@example.com\nSubject: Hello\n\nlunch at noon?\n');
  },
  async 'send a mail to ann@example.com and one to bob@example.com saying the build is green'(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.send_mail', 'office.send_mail']]);
    expect(text).toMatch(/Sent to ann@example\.com.*Sent to bob@example\.com/s);
    expect((await outbox()).match(/the build is green/g)).toHaveLength(2);
  },
  async 'do two things: search my mail for invoice and list the files'(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.search_mail', 'workspace.list_directory']]);
    expect(text).toMatch(/I looked for "invoice".*(In the workspace there are|no files in the workspace)/s);
  },
  async "mail yesterday's report to bob@example.com"(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.read_daily_report'], ['office.send_mail']]);
    expect(text).toContain('Sent to bob@example.com');
    expect(await outbox()).toMatch(/Subject: Daily report of .*Orders: 117/s);
  },
  async 'book a room for the team lunch tomorrow'(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['office.book_room']]);
    // Somebody chose Birch when the tool asked.
    expect(text).toMatch(/Done\. Booked Birch on \d{4}-\d\d-\d\d for team lunch\./);
    const said = history.find((message) => message.role === 'assistant' && message.toolCalls.length > 0);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    expect(JSON.stringify(said)).toContain(
      JSON.stringify(JSON.stringify({ day: tomorrow, purpose: 'team lunch' })),
    );
    const declined = await ask(asked, () => 'No room was booked: the person chose none.');
    expect(declined.text).toContain('I have no room for you. The reason I was given: No room was booked');
  },
  async 'list the files'(asked) {
    await ask('write a file list-me.txt with x');
    expect((await ask(asked)).text).toContain('[FILE] list-me.txt');
  },
  async 'write a file hello.txt with good morning'(asked) {
    const { text, steps } = await ask(asked);
    expect(steps).toEqual([['workspace.write_file']]);
    expect(text).toContain('The file is written.');
    expect(await readFile(join(data, 'workspace', 'hello.txt'), 'utf8')).toBe('good morning');
  },
  async 'read the file hello.txt'(asked) {
    await ask('write a file hello.txt with "good evening"');
    expect((await ask(asked)).text).toContain('The file hello.txt says:\n\ngood evening');
  },
  async 'show me the environment'(asked) {
    const reason = 'everything.get-env is denied by the rule "no-environment".';
    const { text, steps } = await ask(asked, () => reason);
    expect(steps).toEqual([['everything.get-env']]);
    expect(text).toContain(`That did not work. The reason I was given: ${reason}`);
  },
  async 'think about durable execution'(asked) {
    const { text, thought } = await ask(asked);
    expect(thought).toContain('durable execution');
    expect(text).toContain('I have thought about durable execution.');
  },
  async 'tell me a long story'(asked) {
    expect((await ask(asked)).text.split(/\s+/).length).toBeGreaterThan(500);
  },
  async 'tell me a story of 200 words'(asked) {
    expect((await ask(asked)).text.trim().split(/\s+/)).toHaveLength(200);
  },
  async 'what did I ask before?'(asked) {
    await ask('list the files');
    expect((await ask(asked)).text).toContain('Before this you wrote: "list the files"');
  },
};

describe('what the documentation says one can ask', () => {
  test.each(Object.keys(documented))('%s', (asked) => documented[asked]?.(asked));

  test('is what is tested here, and what the model itself proposes is among it', async () => {
    const page = await readFile('docs/demo-model.md', 'utf8');
    const list = page.slice(page.indexOf('## Things to ask'), page.indexOf('## As a server'));
    const sentences = [...list.matchAll(/^\| `(.+?)` \|/gm)].map((match) => match[1]);
    expect(sentences).toEqual(Object.keys(documented));
    const proposed = [...helpText.matchAll(/^- (.+?)(?: \(.*\))?$/gm)].map((match) => match[1]);
    expect(proposed.filter((sentence) => !sentences.includes(sentence))).toEqual([]);
  });
});

describe('other sentences', () => {
  test('a rejection is told with its reason, and not asked for again', async () => {
    const reason = 'Rejected by ann@example.com: not on a Sunday';
    const { text, steps } = await ask('send a mail to bob@example.com saying hi', () => reason);
    expect(steps).toHaveLength(1);
    expect(text).toContain(`The mail to bob@example.com was not sent. The reason I was given: ${reason}`);
  });

  test('one of two may be rejected', async () => {
    let calls = 0;
    const decide = () => {
      calls += 1;
      return calls === 1 ? 'Rejected: no' : undefined;
    };
    const { text } = await ask('send a mail to ann@example.com and one to bob@example.com saying x', decide);
    expect(text).toMatch(/mail to ann@example\.com was not sent.*Done\. Sent to bob@example\.com/s);
  });

  test.each([
    [
      'send a mail to bob@example.com saying come and eat; then read the news',
      'come and eat; then read the news',
    ],
    ['send a mail to bob@example.com saying "salt and list the files"', 'salt and list the files'],
    ['please write to bob@example.com, about "the plan" saying: all good', 'all good'],
  ])('%s is one mail', async (asked, body) => {
    const { steps } = await ask(asked, () => 'Rejected');
    expect(steps).toEqual([['office.send_mail']]);
    const call = history.find((message) => message.role === 'assistant');
    const sent: unknown = call?.role === 'assistant' && JSON.parse(call.toolCalls[0]?.arguments ?? '{}');
    expect(sent).toMatchObject({ to: 'bob@example.com', body });
  });

  test.each([
    ['search my mail for the report', 'office.search_mail'],
    ['any mails from Carla?', 'office.search_mail'],
    ['send a mail to bob@example.com saying please send the report to ann@example.com', 'office.send_mail'],
    ['write a file story.txt with tell me a story', 'workspace.write_file'],
    ['hello, can you show me the files?', 'workspace.list_directory'],
  ])('%s: %s', async (asked, tool) => {
    expect((await ask(asked, () => 'Rejected')).steps).toEqual([[tool]]);
  });

  test('a sentence that it does not know gets the list of those that it does', async () => {
    expect((await ask('compose a sonnet')).text).toContain('I did not understand "compose a sonnet".');
  });

  test('without the tool it says so', async () => {
    const before = offered;
    offered = [];
    const { text } = await ask('search my mail for invoice');
    offered = before;
    expect(text).toContain('I need the tool search_mail, which is not offered to me');
  });
});
