import { Box, Text } from 'ink';
import { createElement as h, type ReactElement } from 'react';
import { cutAt } from '../../../protocol/text.ts';
import type { Line } from '../line.ts';
import { tailOf, terminalText } from '../terminal-text.ts';

const shownRows = 4;
const segmenter = new Intl.Segmenter();

/** The line being written with its cursor; of a long one, what is around the cursor. */
export function PromptView(props: { label: string; line: Line; columns: number }): ReactElement {
  const { label, line, columns } = props;
  const room = columns * (shownRows - 1) - label.length;
  const before = tailOf(inOneFlow(line.text.slice(0, line.cursor)), room).tail;
  const [under] = segmenter.segment(line.text.slice(line.cursor));
  const after = line.text.slice(line.cursor + (under?.segment.length ?? 0));
  return h(
    Box,
    { maxHeight: shownRows, overflow: 'hidden' },
    h(
      Text,
      { wrap: 'hard' },
      `${label}${before}`,
      h(Text, { inverse: true }, inOneFlow(under?.segment ?? ' ')),
      inOneFlow(after.slice(0, cutAt(after, columns))),
    ),
  );
}

function inOneFlow(text: string): string {
  return terminalText(text.replaceAll('\n', '⏎'));
}
