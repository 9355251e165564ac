import { Box, Text } from 'ink';
import { createElement as h, type ReactElement } from 'react';
import { gateWords, shownJson } from '../../../client/index.ts';
import type { ApprovalOutcome, ToolResultStatus } from '../../../protocol/frame-parts.ts';
import { cutAt } from '../../../protocol/text.ts';
import { type Called, type LogItem, nameOf } from '../log-item.ts';
import { headOf, terminalText } from '../terminal-text.ts';
import type { Theme } from './theme.ts';

const briefChars = 32;
/** A tool's result may be a whole file; all of it is in the session's history. */
const resultBounds = { maxChars: 1_000, maxLines: 12 };

/** One final item, as it is printed for good. */
export function LogLine({ item, theme }: { item: LogItem; theme: Theme }): ReactElement {
  switch (item.kind) {
    case 'user':
      return block(true, h(Text, theme.user, `> ${terminalText(item.text)}`));
    case 'assistant':
      return h(Saying, { content: item.text, thought: item.thought, theme });
    case 'tool_call':
      return toolCall(item, theme);
    case 'decision': {
      const { sign, style } = outcomes[item.outcome];
      const reason = item.reason === undefined ? '' : `: ${item.reason}`;
      const kept = item.remember === undefined ? '' : gateWords.remembered[item.remember];
      const other = item.edited === undefined ? '' : ', to run instead';
      const text = `${sign} ${callOf(item)} ${item.outcome} by ${item.by}${kept}${other}${reason}`;
      const edited = item.edited === undefined ? null : argumentsOf(item.edited);
      return block(false, h(Text, theme[style], terminalText(text)), edited);
    }
    case 'asked_again': {
      const text = `⚙ ${nameOf(item)} is asked about again: ${gateWords.askedAgain[item.because]}. ${item.reason}`;
      return block(true, h(Text, theme.ask, terminalText(text)), argumentsOf(item.arguments));
    }
    case 'vote': {
      const text = `✔ ${callOf(item)} approved by ${item.by}: ${item.approvals} of ${item.needed}`;
      return block(false, h(Text, theme.good, terminalText(text)));
    }
    case 'late_result': {
      const head = `! ${callOf(item)}: a result came too late to count (${item.status})`;
      const text = headOf(terminalText(item.text), resultBounds);
      return block(
        false,
        h(Text, theme.bad, terminalText(head)),
        h(Box, { paddingLeft: 2 }, h(Text, theme.dim, text)),
      );
    }
    case 'question':
      return block(true, h(Text, theme.ask, `? ${terminalText(item.message)}`));
    case 'answer': {
      const said = item.content === undefined ? '' : `: ${shownJson(item.content)}`;
      const text = `  ${gateWords.answered[item.action]} by ${item.by}${said}`;
      return block(false, h(Text, item.action === 'accept' ? theme.good : theme.bad, terminalText(text)));
    }
    case 'tool_result': {
      const isGood = item.status === 'completed';
      const head = `${isGood ? '✔' : '✘'} ${callOf(item)} ${results[item.status]}`;
      const text = headOf(terminalText(item.text), resultBounds);
      return block(
        false,
        h(Text, isGood ? theme.good : theme.bad, terminalText(head)),
        text === '' ? null : h(Box, { paddingLeft: 2 }, h(Text, theme.dim, text)),
      );
    }
    case 'turn_end': {
      const words = item.status === 'cancelled' ? '■ Stopped.' : '✘ This turn failed.';
      return block(true, h(Text, theme.bad, terminalText(`${words} ${item.text}`.trim())));
    }
    case 'notice':
      return block(true, h(Text, theme.dim, terminalText(item.text)));
  }
}

/** Several calls of one tool are told apart by how their arguments begin. */
function callOf(item: Called): string {
  const args = shownJson(item.arguments);
  const isShort = args.length <= briefChars;
  return `${nameOf(item)}(${isShort ? args : `${args.slice(0, cutAt(args, briefChars))}…`})`;
}

/** What the agent says, with the model's reasoning before it. */
export function Saying(props: { content: string; thought: string; theme: Theme }): ReactElement {
  const { content, thought, theme } = props;
  return block(
    true,
    thought === '' ? null : h(Text, theme.dim, `thinking: ${terminalText(thought)}`),
    content === '' ? null : h(Text, theme.agent, terminalText(content)),
  );
}

function toolCall(item: Extract<LogItem, { kind: 'tool_call' }>, theme: Theme): ReactElement {
  const gates = { allow: 'runs at once', ask: 'needs your approval', deny: 'is denied' };
  const isSaid = item.rule === undefined || item.reason.includes(`"${item.rule}"`);
  const rule = isSaid ? '' : ` (rule: ${item.rule})`;
  return block(
    true,
    h(Text, theme.tool, terminalText(`⚙ ${nameOf(item)}`)),
    argumentsOf(item.arguments),
    h(
      Box,
      { paddingLeft: 2 },
      h(
        Text,
        item.gate === 'allow' ? theme.dim : theme.ask,
        terminalText(`${gates[item.gate]}: ${item.reason}${rule}`),
      ),
    ),
  );
}

/** As JSON, so that no value can pass itself off as another argument; never cut, because it is what is approved. */
function argumentsOf(args: unknown): ReactElement {
  return h(Box, { paddingLeft: 2 }, h(Text, null, terminalText(shownJson(args, 2))));
}

const outcomes: Record<ApprovalOutcome, { sign: string; style: 'good' | 'bad' }> = {
  approved: { sign: '✔', style: 'good' },
  rejected: { sign: '✘', style: 'bad' },
  expired: { sign: '✘', style: 'bad' },
  withdrawn: { sign: '✘', style: 'bad' },
};

const results: Record<ToolResultStatus, string> = {
  completed: 'is done',
  failed: 'failed',
  rejected: 'was rejected',
  denied: 'was denied',
  cancelled: 'was cancelled',
  unknown: 'has an unknown outcome',
};

function block(hasGap: boolean, ...children: (ReactElement | null)[]): ReactElement {
  return h(Box, { flexDirection: 'column', marginTop: hasGap ? 1 : 0 }, ...children);
}
