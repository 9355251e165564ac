import { z } from 'zod';

const wordsChars = 500;

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const dataPart = z.object({ type: z.enum(['image', 'audio']), mimeType: z.string(), data: z.string() });
const linkPart = z.object({
  type: z.literal('resource_link'),
  uri: z.string(),
  name: z.string().optional(),
  title: z.string().optional(),
  description: z.string().optional(),
});
const resourcePart = z.object({
  type: z.literal('resource'),
  resource: z.object({
    uri: z.string(),
    mimeType: z.string().optional(),
    text: z.string().optional(),
    blob: z.string().optional(),
  }),
});
const part = z.discriminatedUnion('type', [textPart, dataPart, linkPart, resourcePart]);

/** What a model reads of one part of a result: its text, or what it is. A tool's answer to a model holds text only. */
export function textOfPart(raw: unknown): string {
  const parsed = part.safeParse(raw);
  if (!parsed.success) return `[${short(typeOf(raw))}: cannot be shown as text]`;
  const piece = parsed.data;
  if (piece.type === 'text') return piece.text;
  if (piece.type === 'resource_link') return `[link: ${linkWords(piece)}]`;
  if (piece.type === 'resource') return piece.resource.text ?? `[resource: ${resourceWords(piece.resource)}]`;
  return `[${piece.type}: ${short(piece.mimeType)}, ${byteCount(piece.data)} bytes]`;
}

function typeOf(raw: unknown): string {
  const type = raw !== null && typeof raw === 'object' && 'type' in raw ? raw.type : undefined;
  return typeof type === 'string' ? type : 'part';
}

function linkWords({ uri, name, title, description }: z.infer<typeof linkPart>): string {
  const words = [title ?? name, uri, description].filter((word) => word !== undefined && word !== '');
  return words.map((word) => short(String(word))).join(', ');
}

function resourceWords({ uri, mimeType, blob }: z.infer<typeof resourcePart>['resource']): string {
  const size = blob === undefined ? undefined : `${byteCount(blob)} bytes`;
  return [short(uri), mimeType && short(mimeType), size].filter(Boolean).join(', ');
}

/** Of base64. */
function byteCount(data: string): number {
  return Math.floor((data.replace(/=+$/, '').length * 3) / 4);
}

function short(text: string): string {
  return text.length <= wordsChars ? text : `${text.slice(0, wordsChars)}…`;
}
