/** One tool call that the demo model understood from a sentence; `tool` is the part after the server's name. */
export interface Action {
  tool: string;
  arguments: Record<string, unknown>;
}

/** A mail whose text is not known yet: it comes from the report that is read first. */
export interface MailReport {
  to: string;
  report: Action;
}

const address = String.raw`[^\s@<>,;"']+@[^\s@<>,;"']*[^\s@<>,;"'.!?]`;
const dayMs = 86_400_000;
const standardBody = 'Hello from the demo model of Turngate.';

/** What the sentence asks for; more than one where it names several things. Empty where nothing was understood. */
export function readActions(text: string, today: Date): Action[] {
  const asked = text.replace(/^\s*(please\s+)?do (two|three|both|these)( things)?\s*:?\s*/i, '').trim();
  // Split only where the rest is a thing to do by itself: "saying come and eat" is one mail.
  const parts: string[] = [];
  for (const { joint, words } of splitOutsideQuotes(asked)) {
    if (parts.length > 0 && readAction(words, today) === undefined)
      parts.push(`${parts.pop()}${joint}${words}`);
    else parts.push(words);
  }
  const actions = parts.map((part) => readAction(part, today)).filter((action) => action !== undefined);
  return shareMailText(actions);
}

/** "Mail today's report to bob@example.com": two steps, because the second needs what the first brings. */
export function readMailReport(text: string, today: Date): MailReport | undefined {
  const to = new RegExp(
    String.raw`^\W*(?:please\s+)?(?:send|mail|forward)\b[^@]*?\breports?\b[^@]*?\bto\s+(${address})`,
    'i',
  ).exec(text)?.[1];
  return to === undefined ? undefined : { to, report: readReport(text, today) };
}

function readAction(text: string, today: Date): Action | undefined {
  return (
    readSend(text) ??
    readBooking(text, today) ??
    readFileAction(text) ??
    readSearch(text) ??
    (/\breports?\b/i.test(text) ? readReport(text, today) : undefined) ??
    (/\benvironment\b|\bget-env\b/i.test(text) ? { tool: 'get-env', arguments: {} } : undefined)
  );
}

function readSend(text: string): Action | undefined {
  const to = new RegExp(String.raw`\b(?:send|write|e-?mail|mail|one)\b.*?\bto\s+(${address})`, 'i').exec(
    text,
  )?.[1];
  if (to === undefined) return undefined;
  const body = /\b(?:saying|that says|with the (?:text|words))\b:?\s*(.+)$/is.exec(text)?.[1];
  const subject = /\b(?:subject|about)\s+(?:"([^"]+)"|(.+?))(?=\s+(?:saying|that says|with the)\b|$)/is.exec(
    text,
  );
  return {
    tool: 'send_mail',
    arguments: {
      to,
      subject: oneLine(subject?.[1] ?? subject?.[2] ?? 'Hello'),
      body: body === undefined ? standardBody : unquote(body),
    },
  };
}

/** "Book a room for the team lunch on 2026-12-01": which room, the tool asks. */
function readBooking(text: string, today: Date): Action | undefined {
  if (!/\b(?:book|reserve)\b.*\broom\b/i.test(text)) return undefined;
  const day = String.raw`(?:on\s+)?(\d{4}-\d{2}-\d{2}|today|tomorrow)`;
  const when = new RegExp(String.raw`\b${day}\b`, 'i').exec(text)?.[1]?.toLowerCase() ?? 'tomorrow';
  const ahead: Record<string, number> = { today: 0, tomorrow: 1 };
  const inDays = ahead[when];
  const rest = text.replace(new RegExp(String.raw`\s*\b${day}\b`, 'gi'), '');
  const purpose = /\bfor\s+(?:(?:the|a|our|my)\s+)?(.+)$/is.exec(rest)?.[1];
  return {
    tool: 'book_room',
    arguments: {
      day: inDays === undefined ? when : isoDay(new Date(today.getTime() + inDays * dayMs)),
      purpose: purpose === undefined ? 'a meeting' : oneLine(purpose),
    },
  };
}

function readFileAction(text: string): Action | undefined {
  const write =
    /\b(?:write|create|save|make)\b.*?\bfile\s+(?:called\s+|named\s+)?(\S+)\s+(?:with|saying|containing|that says)\s+(.+)$/is.exec(
      text,
    );
  if (write) {
    return {
      tool: 'write_file',
      arguments: { path: unquote(write[1] ?? ''), content: unquote(write[2] ?? '') },
    };
  }
  const read = /\b(?:read|open|show)\b.*?\bfile\s+(?:called\s+|named\s+)?(\S+)/i.exec(text);
  if (read) return { tool: 'read_text_file', arguments: { path: unquote(read[1] ?? '') } };
  if (/\b(?:list|show|which|what)\b.*\bfiles\b/i.test(text)) {
    return { tool: 'list_directory', arguments: { path: '.' } };
  }
  return undefined;
}

function readReport(text: string, today: Date): Action {
  const named = /\b\d{4}-\d{2}-\d{2}\b/.exec(text)?.[0];
  const yesterday = isoDay(new Date(today.getTime() - dayMs));
  const date = named ?? (/\byesterday/i.test(text) ? yesterday : undefined);
  return { tool: 'read_daily_report', arguments: date === undefined ? {} : { date } };
}

function readSearch(text: string): Action | undefined {
  const query =
    /\b(?:search|find|look)\b.*?\b(?:mails?|inbox)\b.*?\b(?:for|about|from|with)\s+(.+)$/is.exec(text)?.[1] ??
    /\b(?:search|look)\s+for\s+(.+?)\s+in\s+(?:my\s+)?(?:mails?|inbox)\b/is.exec(text)?.[1] ??
    /\bmails?\s+(?:from|about)\s+(.+)$/is.exec(text)?.[1];
  return query === undefined ? undefined : { tool: 'search_mail', arguments: { query: oneLine(query) } };
}

/** The parts between "and" or ";", each with what joined it to the one before. */
function splitOutsideQuotes(text: string): { joint: string; words: string }[] {
  const parts: { joint: string; words: string }[] = [];
  let start = 0;
  let joint = '';
  for (const match of text.matchAll(/"[^"]*"|\s*;\s*|,?\s+and\s+(?:then\s+|also\s+)?/gi)) {
    if (match[0].startsWith('"')) continue;
    parts.push({ joint, words: text.slice(start, match.index) });
    joint = match[0];
    start = match.index + joint.length;
  }
  return [...parts, { joint, words: text.slice(start) }];
}

/** "A mail to a and one to b saying hi": both say it. */
function shareMailText(actions: Action[]): Action[] {
  const said = actions.find(
    (action) => action.tool === 'send_mail' && action.arguments.body !== standardBody,
  );
  if (said === undefined) return actions;
  const { body, subject } = said.arguments;
  return actions.map((action) =>
    action.tool === 'send_mail' && action.arguments.body === standardBody
      ? { ...action, arguments: { ...action.arguments, subject, body } }
      : action,
  );
}

function isoDay(day: Date): string {
  return day.toISOString().slice(0, 10);
}

function unquote(text: string): string {
  return text
    .trim()
    .replace(/^["'“](.*)["'”][.!]?$/s, '$1')
    .trim();
}

function oneLine(text: string): string {
  return unquote(text)
    .replaceAll(/\s+/g, ' ')
    .replace(/[?.!]+$/, '')
    .slice(0, 200);
}
