import { Box, type Key, Static, useInput, usePaste, useWindowSize } from 'ink';
import {
  Fragment,
  createElement as h,
  type ReactElement,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { ToolCall } from '../../../client/index.ts';
import { type Asked, askedOf, type Scope } from '../asked.ts';
import type { Chat } from '../chat.ts';
import type { Conversation } from '../conversation.ts';
import { labelOf } from '../filling.ts';
import { insert } from '../line.ts';
import { type LogItem, nameOf } from '../log-item.ts';
import {
  emptyPrompt,
  type KeyPress,
  type Prompt,
  type PromptAction,
  press,
  pressAll,
  scopeOf,
  type Task,
} from '../prompt.ts';
import { terminalText } from '../terminal-text.ts';
import { type AskedKeys, AskedView } from './asked-view.ts';
import { OpenStreamView, QueueView, StatusLine } from './live-view.ts';
import { LogLine } from './log-line.ts';
import { PromptView } from './prompt-view.ts';
import type { Theme } from './theme.ts';

/** How often the seconds of the status line are looked at. */
const tickMs = 250;
/** A question that just appeared takes no key for this long: it may have been typed for something else. */
const armMs = 500;

export function App({ chat, theme }: { chat: Chat; theme: Theme }): ReactElement {
  const at = useSyncExternalStore(chat.subscribe, chat.conversation);
  const size = useWindowSize();
  const now = useNow(tickMs);
  const all = askedOf(at.waiting);
  const asked = all[0] ?? null;
  const armedId = useArmed(asked?.id ?? null);
  const prompt = usePrompt(chat, armedId === null ? null : asked);
  const keys = keysOf(prompt, armedId);
  const printed = useMemo(
    () => ({
      items: [...at.log],
      children: (item: LogItem, index: number) => h(LogLine, { key: index, item, theme }),
    }),
    [at.log, theme],
  );
  return h(
    Fragment,
    null,
    h(Static<LogItem>, printed),
    h(
      Box,
      // One row less than there are: a full screen would be cleared and drawn anew at each change.
      { flexDirection: 'column', maxHeight: size.rows - 1, overflow: 'hidden', justifyContent: 'flex-end' },
      h(OpenStreamView, { at, size, theme }),
      h(QueueView, { at, theme }),
      asked &&
        h(AskedView, {
          asked,
          number: at.numbers.get(asked.id),
          more: all.length - 1,
          keys,
          scope: mostOf(at, asked) === 'once' ? null : scopeOf(prompt, asked.id),
          theme,
        }),
      h(StatusLine, { at, now, theme }),
      h(PromptView, { label: promptLabel(prompt, at), line: prompt.line, columns: size.columns }),
    ),
  );
}

function mostOf(at: Conversation, asked: Asked | null): Scope {
  return (asked && at.mostRemember.get(asked.id)) ?? 'once';
}

function keysOf(prompt: Prompt, armedId: string | null): AskedKeys {
  if (prompt.task) return prompt.task.kind;
  if (armedId === null) return 'none';
  return prompt.line.text === '' ? 'one' : 'line';
}

function promptLabel({ task }: Prompt, { numbers }: Conversation): string {
  const nameIn = ({ call }: { call: ToolCall }) =>
    terminalText(nameOf({ tool: call.tool, number: numbers.get(call.id) }));
  switch (task?.kind) {
    case 'reason':
      return `why reject ${nameIn(task.asked)}? `;
    case 'edit':
      return `run ${nameIn(task.asked)} with `;
    case 'fill':
      return terminalText(labelOf(task));
    default:
      return '> ';
  }
}

function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** The tool call that keys decide: the one asked for, once it has been on the screen for a moment. */
function useArmed(askedId: string | null): string | null {
  const [armedId, setArmedId] = useState<string | null>(null);
  useEffect(() => {
    if (askedId === null) return;
    const timer = setTimeout(() => setArmedId(askedId), armMs);
    return () => clearTimeout(timer);
  }, [askedId]);
  return armedId === askedId ? armedId : null;
}

function usePrompt(chat: Chat, asked: Asked | null): Prompt {
  const [prompt, setPrompt] = useState(emptyPrompt);
  // Several keys may come before the next render; each must see what the one before it did.
  const latest = useRef(prompt);
  const armed = useRef(asked);
  armed.current = asked;
  const update = (next: Prompt) => {
    latest.current = next;
    setPrompt(next);
  };
  const pressed = (key: KeyPress) => {
    const { prompt: next, action } = press(
      latest.current,
      key,
      armed.current,
      mostOf(chat.conversation(), armed.current),
    );
    update(next);
    if (!action) return;
    // One key answers one question: the next one arms anew.
    if (action.kind === 'decide' || action.kind === 'answer') armed.current = null;
    act(chat, action);
  };
  useInput((input: string, key: Key) => {
    if (input.length > 1 && !key.ctrl && !key.meta) for (const part of pressAll(input)) pressed(part);
    else pressed({ ...key, input });
  });
  usePaste((text) => update({ ...latest.current, line: insert(latest.current.line, text) }));
  const isOver = prompt.task !== null && !isWaiting(chat, prompt.task);
  useEffect(() => {
    // Somebody else was quicker, it is asked anew, or the turn was stopped: the line is for nothing any more.
    if (isOver) {
      latest.current = emptyPrompt;
      setPrompt(emptyPrompt);
    }
  }, [isOver]);
  return prompt;
}

/** Whether what the line is for waits as it did when the line was begun. */
function isWaiting(chat: Chat, task: Task): boolean {
  const { approvals, questions } = chat.conversation().waiting;
  if (task.kind === 'fill') return questions.some(({ request_id: id }) => id === task.question.request_id);
  const { id, approval } = task.asked.call;
  const now = approvals.find((call) => call.id === id)?.approval;
  return (
    now?.round === approval?.round && now?.argumentsHash === approval?.argumentsHash && now !== undefined
  );
}

function act(chat: Chat, action: PromptAction): void {
  switch (action.kind) {
    case 'enter':
      chat.enter(action.text);
      break;
    case 'decide':
      chat.decide(action.toolCallId, action.decision);
      break;
    case 'answer':
      chat.answer(action.requestId, action.answer);
      break;
    case 'tell':
      chat.tell(action.text);
      break;
    case 'stop': {
      const { status } = chat.conversation().agent ?? {};
      if (status !== 'waiting_approval' && status !== 'waiting_input') chat.cancel();
    }
  }
}
