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
import type { Chat } from '../chat.ts';
import { undecided } from '../conversation.ts';
import { insert } from '../line.ts';
import type { LogItem } from '../log-item.ts';
import { emptyPrompt, type KeyPress, type Prompt, type PromptAction, press, pressAll } from '../prompt.ts';
import { type ApprovalKeys, ApprovalView, OpenStreamView, QueueView, StatusLine } from './live-view.ts';
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
  const asked = undecided(at)[0] ?? null;
  const armedId = useArmed(asked?.toolCallId ?? null);
  const prompt = usePrompt(chat, armedId);
  const rejected = at.approvals.find((approval) => approval.toolCallId === prompt.rejecting);
  const keys = rejected ? 'reason' : keysOf(prompt, armedId);
  const label = rejected ? `why reject ${rejected.tool}? ` : '> ';
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
      asked && h(ApprovalView, { at, asked, keys, theme }),
      h(StatusLine, { at, now, theme }),
      h(PromptView, { label, line: prompt.line, columns: size.columns }),
    ),
  );
}

function keysOf(prompt: Prompt, armedId: string | null): ApprovalKeys {
  if (armedId === null) return 'none';
  return prompt.line.text === '' ? 'decide' : 'line';
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

function usePrompt(chat: Chat, armedId: string | null): Prompt {
  const [prompt, setPrompt] = useState(emptyPrompt);
  // Several keys may come before the next render; each must see what the one before it did.
  const latest = useRef(prompt);
  const armed = useRef(armedId);
  armed.current = armedId;
  const update = (next: Prompt) => {
    latest.current = next;
    setPrompt(next);
  };
  const pressed = (key: KeyPress) => {
    const { prompt: next, action } = press(latest.current, key, armed.current);
    update(next);
    if (!action) return;
    // One key decides one call: the next question arms anew.
    if (action.kind === 'decide') armed.current = null;
    act(chat, action);
  };
  useInput((input: string, key: Key) => {
    if (input.length > 1 && !key.ctrl && !key.meta) for (const part of pressAll(input)) pressed(part);
    else pressed({ ...key, input });
  });
  usePaste((text) => update({ ...latest.current, line: insert(latest.current.line, text) }));
  const isOver = prompt.rejecting !== null && !isWaiting(chat, prompt.rejecting);
  useEffect(() => {
    // Somebody else decided meanwhile, or the turn was stopped: there is nothing left to give a reason for.
    if (isOver) {
      latest.current = emptyPrompt;
      setPrompt(emptyPrompt);
    }
  }, [isOver]);
  return prompt;
}

function isWaiting(chat: Chat, toolCallId: string): boolean {
  return chat.conversation().approvals.some((approval) => approval.toolCallId === toolCallId);
}

function act(chat: Chat, action: PromptAction): void {
  if (action.kind === 'enter') chat.enter(action.text);
  else if (action.kind === 'decide') chat.decide(action.toolCallId, action);
  else if (chat.conversation().agent?.status !== 'waiting_approval') chat.cancel();
}
