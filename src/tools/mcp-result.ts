import { z } from 'zod';
import { cleanJson, cleanText, cutAt } from '../protocol/text.ts';
import { textOfPart } from './mcp-content.ts';
import type { ToolOutcome } from './port.ts';

const errorChars = 2_000;
const partsMax = 1_000;
const depthMax = 100;

/**
 * What a server answers to `tools/call`. Looser than the SDK's own schema: an answer that came says that the
 * tool ran, and must not be turned into a failure because one of its parts is unusual.
 */
export const callToolAnswer = z.looseObject({
  content: z.array(z.unknown()).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
});
export type CallToolAnswer = z.infer<typeof callToolAnswer>;

/** @param maxChars of the text, and of the result as JSON; what is over is cut, with a marker that says so */
export function toOutcome(tool: string, answer: CallToolAnswer, maxChars: number): ToolOutcome {
  const text = cutText(cleanText(textOf(answer)), maxChars);
  const result = boundedResult(answer, text, maxChars);
  if (answer.isError !== true) return { status: 'completed', result, text };
  const message =
    text === '' ? `${tool} failed and did not say why.` : text.slice(0, cutAt(text, errorChars));
  return { status: 'failed', result, text: text || message, error: { code: 'tool_error', message } };
}

function textOf({ content, structuredContent }: CallToolAnswer): string {
  const pieces = content
    .slice(0, partsMax)
    .map(textOfPart)
    .filter((piece) => piece !== '');
  if (content.length > partsMax) pieces.push(`[${content.length - partsMax} more parts are left out]`);
  if (pieces.length > 0) return pieces.join('\n');
  if (structuredContent === undefined) return '';
  return isShallow(structuredContent)
    ? JSON.stringify(structuredContent)
    : '[data: nested too deep to be shown]';
}

function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `${text.slice(0, cutAt(text, maxChars))}\n[cut here: the result has ${text.length} characters, ${maxChars} are shown]`;
}

/** The answer as it came where it is small enough to store and send; else without images and the like; else its (cut) text alone. */
function boundedResult(answer: CallToolAnswer, text: string, maxChars: number): unknown {
  const { _meta, ...kept } = answer;
  if (!isShallow(kept)) return { content: [{ type: 'text', text }], cut: true };
  if (JSON.stringify(kept).length <= maxChars) return cleanJson(kept);
  const content = kept.content.slice(0, partsMax).map(withoutData);
  const lighter = { ...kept, content, cut: true };
  if (JSON.stringify(lighter).length <= maxChars) return cleanJson(lighter);
  return { content: [{ type: 'text', text }], cut: true };
}

/** What holds bytes becomes the text that tells of them. */
function withoutData(part: unknown): unknown {
  const holdsData = part !== null && typeof part === 'object' && ('data' in part || 'resource' in part);
  return holdsData ? { type: 'text', text: textOfPart(part) } : part;
}

function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= depthMax; depth += 1) {
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []));
    if (level.length === 0) return true;
  }
  return false;
}
