import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type DevRun, repository, startDev, stopDev } from '../helpers/dev.ts';
import { until } from '../helpers/gateway.ts';
import { testPolicy } from '../helpers/policy.ts';
import {
  type ModelCall,
  type Piece,
  type ScriptedModel,
  startScriptedModel,
} from '../helpers/scripted-model.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { TerminalRun } from '../helpers/terminal.ts';

const testMcp = fileURLToPath(new URL('../helpers/test-mcp.ts', import.meta.url));
const main = join(repository, 'src', 'cli', 'main.ts');
const escapeKey = '\u001b';
const leftKey = `${escapeKey}[D`;
const backspaceKey = '\u007f';
const controlC = '\u0003';
/** More than the screen holds, each word once, so that none can be lost or doubled unseen. */
const story = Array.from({ length: 400 }, (_, index) => `word${index} `);

let folder: string;
let model: ScriptedModel;
let run: DevRun;
let gate: PromiseWithResolvers<void>;
const terminals: TerminalRun[] = [];

/** `story` stops in the middle until the gate opens; `effect …` calls the tool that waits for an approval. */
async function* answer(request: ModelCall): AsyncGenerator<Piece> {
  const last = request.messages.at(-1);
  const asked = String(request.messages.findLast((message) => message.role === 'user')?.content);
  if (last?.role === 'tool') yield `The tool said: ${String(last.content)}`;
  else if (asked === 'story') {
    yield { thought: 'A tale is wanted.' };
    yield* story.slice(0, 250);
    yield { until: gate.promise };
    yield* story.slice(250);
  } else if (asked.startsWith('effect')) {
    for (const text of asked.split(' ').slice(1)) {
      yield { toolCall: { name: 'test__effect', arguments: { text } } };
    }
  } else if (asked === 'crash') yield { toolCall: { name: 'test__crash', arguments: {} } };
  else yield `You said: ${asked}\u001b[31m!`;
}

beforeAll(async () => {
  folder = openFolder('turngate-chat-');
  model = await startScriptedModel(answer);
  const effects = join(folder, 'effects.jsonl');
  writeFileSync(effects, '', { mode: 0o666 });
  const test = { command: process.execPath, args: [testMcp], env: { EFFECTS_FILE: effects } };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { test } }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
  writeFileSync(join(folder, 'policy.yaml'), testPolicy);
  run = await startDev({
    folder,
    env: {
      OPENAI_API_KEY: 'test',
      OPENAI_BASE_URL: model.url,
      TURNGATE_AGENTS_DIR: folder,
      TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
      TURNGATE_POLICY: join(folder, 'policy.yaml'),
    },
  });
});
afterEach(async () => {
  gate?.resolve();
  await Promise.all(terminals.splice(0).map((terminal) => terminal.end()));
});
afterAll(async () => {
  await stopDev(run);
  await model.close();
  removeFolder(folder);
});

async function chat(args: string[] = [], env: Record<string, string> = {}): Promise<TerminalRun> {
  const { PATH = '', HOME = '' } = process.env;
  const terminal = new TerminalRun(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'chat', ...args],
    { cwd: repository, env: { PATH, HOME, TURNGATE_DATA: run.data, ...env } },
  );
  terminals.push(terminal);
  await terminal.shows('connected');
  return terminal;
}

const effectsOf = (text: string) =>
  readFileSync(join(folder, 'effects.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"text":"${text}"`)).length;
const withoutSpace = (text: string) => text.replaceAll(/\s/g, '');
const timesIn = (text: string, part: string) => text.split(part).length - 1;

describe('a chat in the terminal', () => {
  test('streams text, makes it harmless, and shows the history to who comes back', async () => {
    gate = Promise.withResolvers();
    const first = await chat(['--new'], { NO_COLOR: '1' });
    first.type(`hullo${leftKey}${leftKey}${leftKey}${backspaceKey}e\r`);
    await first.shows('You said: hello␛[31m!');
    await first.shows('connected · ready');
    first.type('story\r');
    await first.shows('word249');
    await first.shows(/connected · writing · \d+ s/);
    gate.resolve();
    await first.shows('word399');
    await first.shows('connected · ready');
    expect(first.output).not.toContain(`${escapeKey}[31m`);
    expect(timesIn(withoutSpace(first.all()), withoutSpace(story.join('')))).toBe(1);
    expect(timesIn(first.all(), 'thinking: A tale is wanted.')).toBe(1);
    first.type(controlC);
    expect(await first.exited).toBe(0);

    const second = await chat();
    await second.shows('connected · ready');
    const all = second.all();
    for (const words of ['> hello', 'You said: hello␛[31m!', '> story', 'A tale is wanted.']) {
      expect(timesIn(all, words)).toBe(1);
    }
    expect(timesIn(withoutSpace(all), withoutSpace(story.join('')))).toBe(1);
    second.type('/quit\r');
    expect(await second.exited).toBe(0);
  });

  test('NO_COLOR leaves no colour in what is written', async () => {
    const colors = new RegExp(`${escapeKey}\\[(3[0-9]|4[0-9]|9[0-7]|10[0-7])(;\\d+)*m`);
    const plain = await chat(['--new'], { NO_COLOR: '1' });
    plain.type('hi\r');
    await plain.shows('connected · ready');
    await plain.shows('You said: hi');
    expect(plain.output).not.toMatch(colors);
    const colored = await chat(['--new'], { FORCE_COLOR: '1' });
    colored.type('hi\r');
    await colored.shows('You said: hi');
    expect(colored.output).toMatch(colors);
  });

  test('/help says what there is', async () => {
    const terminal = await chat(['--new']);
    terminal.type('/help\r');
    await terminal.shows('Ctrl-C leaves.');
    for (const command of ['/new', '/sessions', '/cancel', '/help', '/quit']) {
      expect(terminal.screen()).toContain(command);
    }
  });
});

describe('an approval', () => {
  test('is found by who comes later, with its arguments and why, and given with one key', async () => {
    const first = await chat(['--new']);
    first.type('effect alpha beta\r');
    await first.shows('y approve · n reject');
    await first.end();

    const second = await chat();
    await second.shows('May #1 test.effect run? (1 more waits after it)');
    await second.shows('y approve · n reject');
    await second.shows(/connected · waiting for your approval · \d+ s/);
    expect(second.flow()).toContain('"text": "alpha"');
    expect(second.flow()).toContain('needs your approval: ');
    expect([effectsOf('alpha'), effectsOf('beta')]).toEqual([0, 0]);
    second.type('y');
    await second.hides('more waits');
    await second.shows('#1 test.effect({"text":"alpha"}) approved by dev');
    await second.shows('May #2 test.effect run?');
    expect(second.flow()).toMatch(/⚙ #1 test\.effect[^⚙]*"alpha"[^⚙]*⚙ #2 test\.effect[^⚙]*"beta"/);
    await second.shows('y approve · n reject');
    second.type('y');
    await second.shows('The tool said: appended beta');
    await second.shows('connected · ready');
    expect([effectsOf('alpha'), effectsOf('beta')]).toEqual([1, 1]);
  });

  test('is refused with a reason, which the model hears; a line being written is not taken for a decision', async () => {
    const terminal = await chat(['--new']);
    terminal.type('effect gamma\r');
    await terminal.shows('y approve · n reject');
    terminal.type('x');
    await terminal.shows('Send or empty your line');
    terminal.type('y');
    await terminal.shows('> xy');
    terminal.type(escapeKey);
    await terminal.shows('y approve · n reject');
    terminal.type('n');
    await terminal.shows('why reject #1 test.effect?');
    terminal.type('too early\r');
    await terminal.shows('test.effect({"text":"gamma"}) rejected by dev: too early');
    await terminal.shows('connected · ready');
    expect(effectsOf('gamma')).toBe(0);
    expect(String(model.requests.at(-1)?.messages.at(-1)?.content)).toContain('too early');
  });
});

describe('more than yes or no', () => {
  test('what is to run is changed in the line, remembered with a key, and shown', async () => {
    const terminal = await chat(['--new']);
    terminal.type('effect delta\r');
    // Shown once it is read that the rule lets it.
    await terminal.shows('r remember: once');
    terminal.type('r');
    await terminal.shows('r remember: in this session');
    terminal.type('e');
    await terminal.shows('run #1 test.effect with {"text":"delta"}');
    terminal.type(`${leftKey}${leftKey}`);
    terminal.type(`${backspaceKey}`);
    terminal.type('oid\r');
    await terminal.shows('approved by dev, remembered for this session');
    await terminal.shows('"text": "deltoid"');
    // The model reads what was changed, before what came of it.
    await terminal.shows('The tool said: [A person changed the arguments');
    await terminal.shows('connected · ready');
    expect([effectsOf('delta'), effectsOf('deltoid')]).toEqual([0, 1]);
    terminal.type('effect epsilon\r');
    await terminal.shows('The tool said: appended epsilon');
  });

  test('a question is answered with one key', async () => {
    const terminal = await chat(['--new']);
    terminal.type('crash\r');
    await terminal.shows('y approve · n reject');
    terminal.type('y');
    await terminal.shows('1 happened · 2 did_not_happen · 3 run_again');
    await terminal.shows('number answers · n decline');
    terminal.type('2');
    await terminal.shows('answered by dev: {"outcome":"did_not_happen"}');
    await terminal.shows('connected · ready');
  });
});

describe('a gateway that is killed in the middle of a stream', () => {
  test('comes back, and not a character is lost or doubled', async () => {
    gate = Promise.withResolvers();
    const terminal = await chat(['--new']);
    terminal.type('story\r');
    await terminal.shows('word249');
    const before = Number(run.info().processes.gateway);
    process.kill(before, 'SIGKILL');
    await until(() => terminal.output.includes('reconnecting'), 30_000);
    terminal.type('hello\r');
    await until(() => Number(run.info().processes.gateway) !== before, 30_000);
    await terminal.shows(/^connected/m);
    await terminal.shows('word249');
    await terminal.shows('(waits its turn) hello');
    gate.resolve();
    await terminal.shows('You said: hello');
    await terminal.shows('connected · ready');
    const all = withoutSpace(terminal.all());
    const [earlier, later, ...more] = all.split(withoutSpace(story.join('')));
    expect([earlier, later, more]).toEqual([
      expect.not.stringMatching(/word\d/),
      expect.not.stringMatching(/word\d/),
      [],
    ]);
    expect(timesIn(all, '>hello')).toBe(1);
  });

  test('a turn that is stopped keeps what was said', async () => {
    gate = Promise.withResolvers();
    const terminal = await chat(['--new']);
    terminal.type('story\r');
    await terminal.shows('word249');
    terminal.type('/cancel\r');
    await terminal.shows('■ Stopped.');
    await terminal.shows('connected · ready');
    expect(timesIn(withoutSpace(terminal.all()), withoutSpace(story.slice(0, 250).join('')))).toBe(1);
  });
});

describe('a chat that cannot start says why', () => {
  async function refused(args: string[]): Promise<{ code: number | null; said: string }> {
    const child = spawn(process.execPath, [main, 'chat', ...args], { cwd: repository, stdio: 'pipe' });
    child.stdin.end();
    let said = '';
    child.stderr.on('data', (data) => {
      said += String(data);
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, said };
  }

  test('without a terminal', async () => {
    expect(await refused(['--data', run.data])).toMatchObject({
      code: 1,
      said: expect.stringContaining('The chat needs a terminal'),
    });
  });

  test.each([
    ['nothing runs', ['--data', '/nowhere'], 'No Turngate runs here'],
    [
      'nothing answers',
      ['--url', 'ws://127.0.0.1:9', '--token', 'x'],
      'Nothing answers at http://127.0.0.1:9',
    ],
    ['a wrong token', ['--token', 'wrong'], 'does not accept the token'],
    ['two wishes', ['--session', 'x', '--new'], 'give one of the two'],
  ])('%s', async (_name, args, sentence) => {
    const terminal = new TerminalRun(process.execPath, [main, 'chat', ...args], {
      cwd: repository,
      env: { PATH: process.env.PATH ?? '', TURNGATE_DATA: run.data },
    });
    terminals.push(terminal);
    expect(await terminal.exited).toBe(1);
    await until(() => terminal.flow().includes(sentence));
  });
});
