/** What a line that was entered asks for. */
export type Command =
  | { kind: 'message'; text: string }
  | { kind: 'help' }
  | { kind: 'quit' }
  | { kind: 'cancel' }
  | { kind: 'new'; title: string | undefined }
  | { kind: 'sessions'; which: string | undefined }
  | { kind: 'unknown'; name: string };

export const help = `Write a message and press Enter. What you can do besides:
  /new [title]     begin a new session
  /sessions        list your sessions; /sessions 2 or /sessions <id> opens one
  /cancel          stop the running turn; what was said so far stays
  /help            this text
  /quit            leave; turns go on without you, and approvals wait
While a tool call waits for you and your line is empty:
  y                approve it
  n                reject it, with a reason if you like
  e                change its arguments, as JSON, and approve that
  r                whether the approval is remembered, where the rule lets it
While a question waits for you and your line is empty:
  y                answer it, one field after the other
  1 to 9           answer it, where it is one of a few choices
  n                decline it
Keys: left, right, Home, End, Backspace, Delete; Ctrl-U, Ctrl-K and Ctrl-W
erase; Ctrl-J begins a new line. Esc empties the line, or stops what the agent
does when the line is empty. Ctrl-C leaves.
To send a message that begins with a slash, or with one of these keys while
something waits, begin it with a space.`;

/** An empty line is null. */
export function parseCommand(line: string): Command | null {
  const text = line.trim();
  if (text === '') return null;
  if (!line.startsWith('/')) return { kind: 'message', text };
  const [name = '', ...words] = text.slice(1).split(/\s+/);
  const rest = words.length === 0 ? undefined : words.join(' ');
  switch (name) {
    case 'help':
    case 'quit':
    case 'cancel':
      return { kind: name };
    case 'new':
      return { kind: 'new', title: rest };
    case 'sessions':
      return { kind: 'sessions', which: rest };
    default:
      return { kind: 'unknown', name };
  }
}
