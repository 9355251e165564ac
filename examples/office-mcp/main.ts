import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { type Mail, openOffice } from './office.ts';
import { rooms } from './seeds.ts';

const maxHits = 10;
/** A person may take their time; the caller gives up before. */
const askTimeoutMs = 7 * 24 * 3_600_000;
const dir = process.env.OFFICE_DIR;
if (dir === undefined || dir === '') {
  process.stderr.write('OFFICE_DIR is not set. Set it to the folder in which the office keeps its files.\n');
  process.exit(1);
}
const office = openOffice(resolve(dir));
const server = new McpServer({ name: 'office', version: '1.0.0' });
const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const failure = (words: string) => ({ ...text(words), isError: true });

server.registerTool(
  'search_mail',
  {
    title: 'Search mail',
    description: 'Finds mails that hold all words of the query in sender, subject or text, newest first.',
    inputSchema: { query: z.string().trim().min(1).max(200).describe('words to look for') },
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  ({ query }) => {
    const words = query.toLowerCase().split(/\s+/);
    const hits = office.mails().filter((mail) => {
      const all = `${mail.from}\n${mail.subject}\n${mail.body}`.toLowerCase();
      return words.every((word) => all.includes(word));
    });
    if (hits.length === 0) return text(`No mail holds "${query}".`);
    const shown = hits.slice(0, maxHits).map(describe).join('\n\n');
    return text(`${hits.length} ${hits.length === 1 ? 'mail' : 'mails'} found.\n\n${shown}`);
  },
);

server.registerTool(
  'read_daily_report',
  {
    title: 'Read the daily report',
    description: 'The report of one day, or the latest where no day is given.',
    inputSchema: {
      date: z
        .string()
        .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
        .optional()
        .describe('the day, YYYY-MM-DD'),
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  ({ date }) => {
    const days = office.reportDays();
    const day = date ?? days[0] ?? 'any day';
    const report = office.report(day);
    return report === undefined
      ? failure(`There is no report of ${day}. There are reports of: ${days.slice(0, maxHits).join(', ')}.`)
      : text(report);
  },
);

server.registerTool(
  'send_mail',
  {
    title: 'Send a mail',
    description: 'Sends a mail. It cannot be called back.',
    inputSchema: {
      to: z.email('must be a mail address').max(254).describe('address of the one who gets it'),
      subject: z
        .string()
        .regex(/^[^\r\n]*$/, 'must be one line')
        .min(1)
        .max(200),
      body: z.string().min(1).max(20_000),
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  },
  ({ to, subject, body }, extra) => {
    const file = office.send({ to, subject, body, id: idOf(extra._meta) });
    return text(`Sent to ${to}. It stands in ${file}.`);
  },
);

const roomNames = rooms.map(({ name }) => name);

server.registerTool(
  'book_room',
  {
    title: 'Book a room',
    description: 'Books a room for a day. Where no room is given, it asks the person which one.',
    inputSchema: {
      day: z
        .string()
        .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
        .describe('the day, YYYY-MM-DD'),
      purpose: z.string().trim().min(1).max(200).describe('what it is for'),
      room: z.enum(roomNames).optional().describe('leave it out to let the person choose'),
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  },
  async ({ day, purpose, room }, extra) => {
    const id = idOf(extra._meta);
    // The same call made again, after its answer was lost, books no second room.
    const before = office.bookedBy(id, day);
    if (before !== undefined) return text(before);
    const free = office.freeRooms(day);
    if (free.length === 0) return failure(`No room is free on ${day}. Ask for another day.`);
    // Asked before anything is done, so that a call that is lost while it waits has done nothing.
    const chosen =
      room === undefined
        ? await chooseRoom(free, { day, purpose, signal: extra.signal })
        : { room, coffee: false };
    if (chosen === 'nobody to ask') return failure(`Say which room: ${free.join(', ')} are free on ${day}.`);
    if (chosen === 'declined') return text('No room was booked: the person chose none.');
    const isBooked = office.book({ ...chosen, day, purpose, id });
    return isBooked
      ? text(office.bookedBy(id, day) ?? '')
      : failure(`${chosen.room} is taken on ${day}. Ask again.`);
  },
);

/** The person's choice. The same words and choices each time, so that an answer fits a call that is made again. */
async function chooseRoom(
  free: string[],
  { day, purpose, signal }: { day: string; purpose: string; signal: AbortSignal },
): Promise<{ room: string; coffee: boolean } | 'declined' | 'nobody to ask'> {
  if (!server.server.getClientCapabilities()?.elicitation) return 'nobody to ask';
  const abouts = rooms.filter(({ name }) => free.includes(name)).map(({ about }) => about);
  const { action, content } = await server.server.elicitInput(
    {
      message: `Which room for "${purpose}" on ${day}? Free are: ${abouts.join('; ')}.`,
      requestedSchema: {
        type: 'object',
        properties: {
          room: { type: 'string', title: 'Room', enum: free },
          coffee: { type: 'boolean', title: 'Coffee', description: 'is put there before', default: false },
        },
        required: ['room'],
      },
    },
    { timeout: askTimeoutMs, signal },
  );
  if (action !== 'accept') return 'declined';
  return { room: String(content?.room), coffee: content?.coffee === true };
}

/** The caller's id of this call, where it gives one: it tells a doubled effect from two equal ones. */
function idOf(meta: Record<string, unknown> | undefined): string {
  const given = meta?.['turngate/toolCallId'];
  return typeof given === 'string' && /^[\w-]{1,64}$/.test(given) ? given : randomUUID();
}

function describe({ date, from, subject, body }: Mail): string {
  return `${date}, from ${from}\nSubject: ${subject}\n${body}`;
}

// Whoever asked is gone, perhaps killed: a question that is open would keep this process for days.
process.stdin.once('end', () => process.exit());
await server.connect(new StdioServerTransport());
