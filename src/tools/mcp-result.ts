import { z } from 'zod';
import { cleanJson, cleanText, cutAt } from '../protocol/text.ts';
import type { ToolOutcome } from './port.ts';

const errorChars = 2_000;

/**
 * What a server answers to `tools/call`. Looser than the SDK's own schema: an answer that came says that the
 * tool ran, and must not be turned into a failure because one of its parts is unusual.
 */
export const callToolAnswer = z.looseObject({
  content: z.array(z.looseObject({ type: z.string() })).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
});
export type CallToolAnswer = z.infer<typeof callToolAnswer>;

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const dataPart = z.object({ type: z.enum(['image', 'audio']), mimeType: z.string(), data: z.string() });
const linkPart = z.object({ type: z.literal('resource_link'), uri: z.string() });
const resourcePart = z.object({
  type: z.literal('resource'),
  resource: z.object({ uri: z.string(), text: z.string().optional() }),
});
const part = z.discriminatedUnion('type', [textPart, dataPart, linkPart, resourcePart]);

/** @param maxChars of the text, and of the result as JSON; what is over is cut, with a marker that says so */
export function toOutcome(tool: string, answer: CallToolAnswer, maxChars: number): ToolOutcome {
  const text = cutText(cleanText(textOf(answer)), maxChars);
  const result = boundedResult(answer, text, maxChars);
  if (answer.isError !== true) return { status: 'completed', result, text };
  const message =
    text === '' ? `${tool} failed and did not say why.` : text.slice(0, cutAt(text, errorChars));
  return { status: 'failed', result, text: text || message, error: { code: 'tool_error', message } };
}

function textOf(answer: CallToolAnswer): string {
  const pieces = answer.content.map(textOfPart).filter((piece) => piece !== '');
  if (pieces.length > 0) return pieces.join('\n');
  return answer.structuredContent === undefined ? '' : JSON.stringify(answer.structuredContent);
}

function textOfPart(raw: { type: string }): string {
  const parsed = part.safeParse(raw);
  if (!parsed.success) return `[${raw.type}: cannot be shown as text]`;
  const piece = parsed.data;
  if (piece.type === 'text') return piece.text;
  if (piece.type === 'resource_link') return `[link: ${piece.uri}]`;
  if (piece.type === 'resource') return piece.resource.text ?? `[resource: ${piece.resource.uri}]`;
  return `[${piece.type}: ${piece.mimeType}, ${Math.floor(piece.data.length * 0.75)} bytes]`;
}

function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `${text.slice(0, cutAt(text, maxChars))}\n[cut here: the result has ${text.length} characters, ${maxChars} are shown]`;
}

/** The answer as it came where it is small enough to store and send, else its (cut) text alone. */
function boundedResult(answer: CallToolAnswer, text: string, maxChars: number): unknown {
  const { _meta, ...kept } = answer;
  if (JSON.stringify(kept).length <= maxChars) return cleanJson(kept);
  return { content: [{ type: 'text', text }], cut: true };
}
