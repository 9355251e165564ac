import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { type Mail, openOffice } from './office.ts';

const maxHits = 10;
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
    // The caller's id of this call, where it gives one: it tells a doubled mail from two equal ones.
    const given = extra._meta?.['turngate/toolCallId'];
    const id = typeof given === 'string' && /^[\w-]{1,64}$/.test(given) ? given : randomUUID();
    const file = office.send({ to, subject, body, id });
    return text(`Sent to ${to}. It stands in ${file}.`);
  },
);

function describe({ date, from, subject, body }: Mail): string {
  return `${date}, from ${from}\nSubject: ${subject}\n${body}`;
}

await server.connect(new StdioServerTransport());
