import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, type ElicitResult } from '@modelcontextprotocol/sdk/types.js';

const day = '2030-04-01';
let folder = '';
let asked: { message: string; requestedSchema?: unknown }[] = [];
const clients: Client[] = [];
let child: ChildProcessByStdio<Writable, Readable, null> | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'turngate-booking-'));
  asked = [];
});
afterEach(async () => {
  child?.kill();
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await rm(folder, { recursive: true, force: true });
});

/** The office, with somebody who answers its questions; without `answer`, with nobody who could. */
async function office(answer?: () => ElicitResult): Promise<Client> {
  const capabilities = answer ? { elicitation: {} } : {};
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  if (answer) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params as (typeof asked)[number]);
      return answer();
    });
  }
  clients.push(client);
  const env = { PATH: process.env.PATH ?? '', OFFICE_DIR: folder };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: ['examples/office-mcp/main.ts'], env }),
  );
  return client;
}

async function book(client: Client, id: string, room?: string): Promise<string> {
  const { content } = await client.callTool({
    name: 'book_room',
    arguments: { day, purpose: 'lunch', ...(room === undefined ? {} : { room }) },
    _meta: { 'turngate/toolCallId': id },
  });
  return (content as { text: string }[])[0]?.text ?? '';
}

const bookings = async () => (await readdir(join(folder, 'bookings')).catch(() => [])).sort();

test('asks which room before it does anything, and books what was chosen', async () => {
  const client = await office(() => ({ action: 'accept', content: { room: 'Birch', coffee: true } }));
  expect(await book(client, 'call-1')).toBe(`Booked Birch on ${day} for lunch, with coffee.`);
  expect(asked).toMatchObject([
    {
      message: expect.stringMatching(/^Which room for "lunch" on 2030-04-01\? Free are: Atrium, 12 seats/),
      requestedSchema: { properties: { room: { enum: ['Atrium', 'Birch', 'Cedar'] } }, required: ['room'] },
    },
  ]);
  expect(await readFile(join(folder, 'bookings', `${day} Birch.txt`), 'utf8')).toBe(
    `Id: call-1\nDay: ${day}\nRoom: Birch\nFor: lunch\nCoffee: yes\n`,
  );
});

test.each(['decline', 'cancel'] as const)('books nothing where the person says %s', async (action) => {
  const client = await office(() => ({ action }));
  expect(await book(client, 'call-1')).toBe('No room was booked: the person chose none.');
  expect(await bookings()).toEqual([]);
});

test('the same call made again books once; another one does not get the same room', async () => {
  const client = await office();
  expect(await book(client, 'call-1', 'Cedar')).toBe(`Booked Cedar on ${day} for lunch.`);
  expect(await book(client, 'call-1', 'Cedar')).toBe(`Booked Cedar on ${day} for lunch.`);
  expect(await book(client, 'call-2', 'Cedar')).toBe(`Cedar is taken on ${day}. Ask again.`);
  // Also where it would be asked again, and might be answered otherwise.
  expect(await book(client, 'call-1')).toBe(`Booked Cedar on ${day} for lunch.`);
  expect(await bookings()).toEqual([`${day} Cedar.txt`]);
});

test('two offices on one folder give a room to one of two', async () => {
  const [one, other] = [await office(), await office()];
  const answers = await Promise.all([book(one, 'call-1', 'Atrium'), book(other, 'call-2', 'Atrium')]);
  expect(answers.sort()).toEqual([
    `Atrium is taken on ${day}. Ask again.`,
    `Booked Atrium on ${day} for lunch.`,
  ]);
});

test('says what it needs where nobody can be asked, and that nothing is free', async () => {
  const client = await office();
  expect(await book(client, 'call-1')).toBe(`Say which room: Atrium, Birch, Cedar are free on ${day}.`);
  for (const room of ['Atrium', 'Birch', 'Cedar']) await book(client, `call-${room}`, room);
  expect(await book(client, 'call-5')).toBe(`No room is free on ${day}. Ask for another day.`);
});

test('ends with whoever asked it, also in the middle of a question', async () => {
  const env = { PATH: process.env.PATH, OFFICE_DIR: folder };
  child = spawn(process.execPath, ['examples/office-mcp/main.ts'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout } = child;
  const say = (message: object) => stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'test', version: '1' };
  const about = { protocolVersion: '2025-06-18', capabilities: { elicitation: {} }, clientInfo };
  say({ id: 1, method: 'initialize', params: about });
  say({ method: 'notifications/initialized' });
  say({ id: 2, method: 'tools/call', params: { name: 'book_room', arguments: { day, purpose: 'lunch' } } });
  for await (const line of createInterface({ input: stdout })) {
    if (line.includes('elicitation/create')) break;
  }
  const ended = once(child, 'exit');
  stdin.end();
  expect(await ended).toEqual([0, null]);
  expect(await bookings()).toEqual([]);
});
