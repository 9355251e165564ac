import { Box, Text } from 'ink';
import { createElement as h, type ReactElement } from 'react';
import type { Conversation } from '../conversation.ts';
import { agentText, connectionText } from '../status-text.ts';
import { tailOf, terminalText } from '../terminal-text.ts';
import { Saying } from './log-line.ts';
import type { Theme } from './theme.ts';

/** Lines that are kept free for everything but the open stream. */
const otherRows = 13;
const leastStreamRows = 3;
const shownQueued = 2;
const shownQueuedChars = 200;

/** The end of what is being said, as much of it as there is room for; whole it is printed when it is final. */
export function OpenStreamView(props: {
  at: Conversation;
  size: { columns: number; rows: number };
  theme: Theme;
}): ReactElement | null {
  const { at, size, theme } = props;
  const { stream } = at;
  if (!stream || (stream.content === '' && stream.thought === '')) return null;
  const rows = Math.max(leastStreamRows, size.rows - otherRows);
  const content = tailOf(stream.content, rows * size.columns);
  const thought = content.hiddenLines > 0 ? '' : tailOf(stream.thought, rows * size.columns).tail;
  return h(
    Box,
    { flexDirection: 'column', justifyContent: 'flex-end', maxHeight: rows, overflow: 'hidden' },
    h(Box, { flexShrink: 0 }, h(Saying, { content: content.tail, thought, theme })),
  );
}

/** Messages that were sent and are not printed yet. */
export function QueueView({ at, theme }: { at: Conversation; theme: Theme }): ReactElement | null {
  const saved = at.turns.flatMap((turn) =>
    turn.held.flatMap((item) => (item.kind === 'user' ? [{ text: item.text, state: 'waits its turn' }] : [])),
  );
  const sent = at.outgoing.flatMap((item) =>
    item.kind === 'message' ? [{ text: item.text, state: 'sending' }] : [],
  );
  const all = [...saved, ...sent];
  if (all.length === 0) return null;
  const lines = all
    .slice(0, shownQueued)
    .map(({ text, state }, index) =>
      h(
        Text,
        { key: index, wrap: 'truncate-end', ...theme.dim },
        `> (${state}) ${oneLine(text).slice(0, shownQueuedChars)}`,
      ),
    );
  const more = all.length - shownQueued;
  return h(
    Box,
    { flexDirection: 'column', marginTop: 1 },
    ...lines,
    more > 0 ? h(Text, theme.dim, `  and ${more} more`) : null,
  );
}

export function StatusLine(props: { at: Conversation; now: number; theme: Theme }): ReactElement {
  const { at, now, theme } = props;
  const isOpen = at.connection.kind === 'open';
  const agent = isOpen ? agentText(at, now) : null;
  const text = [connectionText(at, now), ...(agent === null ? [] : [agent])].join(' · ');
  return h(
    Box,
    { marginTop: 1 },
    h(Text, { wrap: 'truncate-end', ...(isOpen ? theme.dim : theme.bad) }, terminalText(text)),
  );
}

export function oneLine(text: string): string {
  return terminalText(text).replaceAll('\n', ' ');
}
