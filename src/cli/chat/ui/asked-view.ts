import { Box, Text } from 'ink';
import { createElement as h, type ReactElement } from 'react';
import { type ApprovalRequest, shownJson } from '../../../client/index.ts';
import type { Asked, Scope } from '../asked.ts';
import { choicesOf } from '../filling.ts';
import { nameOf } from '../log-item.ts';
import type { Task } from '../prompt.ts';
import { endsOf, terminalText } from '../terminal-text.ts';
import { oneLine } from './live-view.ts';
import type { Theme } from './theme.ts';

/** More than a line has; it is cut to the line in its middle, and all of it stands above. */
const shownArgumentChars = 400;

/** What the keys do: nothing yet, write a line, answer with one key, or what the line is written for. */
export type AskedKeys = 'none' | 'line' | 'one' | Task['kind'];

const scopes: Record<Scope, string> = { once: 'once', session: 'in this session', always: 'always' };
const hints: Record<Exclude<AskedKeys, 'one'>, string> = {
  none: '  …',
  line: '  Send or empty your line (Esc) first; then keys decide',
  reason: '  Enter rejects, with the reason if there is one · Esc goes back',
  edit: '  Enter approves what you wrote instead · Esc goes back',
  fill: '  Enter goes on · Esc goes back',
};

/** What a single key answers: a call that waits for a decision, or a question. */
export function AskedView(props: {
  asked: Asked;
  /** By which the printed call above is told from others; of a question there is none. */
  number: number | undefined;
  /** How many wait after it. */
  more: number;
  keys: AskedKeys;
  /** For how long an approval would be remembered; null: the rule lets none be. */
  scope: Scope | null;
  theme: Theme;
}): ReactElement {
  const { asked, number, more, keys, scope, theme } = props;
  const others = more === 0 ? '' : ` (${more} more ${more === 1 ? 'waits' : 'wait'} after it)`;
  const [title, ...lines] = linesOf(asked, number);
  const cuts = (index: number) =>
    asked.kind === 'approval' && index === 0 ? 'truncate-middle' : 'truncate-end';
  const hint = keys === 'one' ? `  ${keysFor(asked, scope)}` : hints[keys];
  return h(
    Box,
    { flexDirection: 'column', marginTop: 1 },
    h(Text, theme.ask, terminalText(`${title}${others}`)),
    ...lines.map((line, index) =>
      h(Text, { key: index, wrap: cuts(index), ...(index === 0 ? {} : theme.dim) }, `  ${line}`),
    ),
    h(Text, { wrap: 'truncate-end' }, hint),
  );
}

function linesOf(asked: Asked, number: number | undefined): string[] {
  if (asked.kind === 'question') {
    const choices = choicesOf(asked.question)?.choices ?? [];
    const numbered = choices.map(({ title }, index) => `${index + 1} ${oneLine(title)}`);
    return [
      'Somebody has to answer:',
      oneLine(asked.question.message),
      ...(choices.length > 0 ? [numbered.join(' · ')] : []),
    ];
  }
  const { call } = asked;
  const args = endsOf(terminalText(shownJson(call.arguments)), shownArgumentChars);
  const request = call.approval ? requestText(call.approval) : '';
  return [`May ${nameOf({ ...call, number })} run?`, args, oneLine(request)];
}

/** Why, how many are needed, and until when. */
function requestText({ reason, needed, approvals, expiresAt, level }: ApprovalRequest): string {
  const votes = needed > 1 ? ` ${approvals.length} of ${needed} approvals so far.` : '';
  const escalated = level > 0 ? ' Escalated.' : '';
  const until = new Date(expiresAt).toISOString().slice(0, 16).replace('T', ' ');
  return `${reason}${votes}${escalated} Until ${until} UTC.`;
}

function keysFor(asked: Asked, scope: Scope | null): string {
  if (asked.kind === 'question')
    return choicesOf(asked.question) ? 'number answers · n decline' : 'y answer · n decline';
  const remember = scope === null ? '' : ` · r remember: ${scopes[scope]}`;
  return `y approve · n reject · e edit${remember}`;
}
