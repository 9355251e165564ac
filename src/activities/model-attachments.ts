import type { ModelPart } from '../model/port.ts';
import type { AttachmentRef } from '../protocol/frame-parts.ts';
import { limits } from '../protocol/limits.ts';
import { cutAt } from '../protocol/text.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import type { HistoryMessage } from '../store/history.ts';

/**
 * What the model gets of the attachments in its history, by id: the newest first until the bound is reached. Of the
 * others, and of images where it reads none, it learns that they are there.
 */
export async function readParts(
  store: AttachmentStore,
  history: HistoryMessage[],
  options: { maxBytes: number; vision: boolean },
): Promise<Map<string, ModelPart>> {
  const parts = new Map<string, ModelPart>();
  let left = options.maxBytes;
  const refs = history.flatMap((message) => (message.role === 'user' ? message.attachments : []));
  for (const ref of refs.toReversed()) {
    if (parts.has(ref.id)) continue;
    if (isImage(ref) && !options.vision) parts.set(ref.id, note(ref, 'this model reads no images'));
    else if (ref.size > left) parts.set(ref.id, note(ref, 'left out, because newer ones fill the room'));
    else {
      const part = await readPart(store, ref);
      left -= ref.size;
      parts.set(ref.id, part);
    }
  }
  return parts;
}

async function readPart(store: AttachmentStore, ref: AttachmentRef): Promise<ModelPart> {
  const bytes = await store.get(ref.id);
  if (bytes === null) return note(ref, 'no longer kept');
  if (isImage(ref)) return { kind: 'image', mediaType: ref.media_type, base64: bytes.toString('base64') };
  const text = bytes.toString('utf8');
  const shown = text.slice(0, cutAt(text, limits.messageChars));
  const cut = shown.length < text.length ? `\n[cut here: ${text.length} characters in all]` : '';
  return { kind: 'text', text: `Attachment "${ref.name}" (${ref.media_type}):\n${shown}${cut}` };
}

function note(ref: AttachmentRef, why: string): ModelPart {
  return { kind: 'text', text: `[Attachment "${ref.name}" (${ref.media_type}): ${why}.]` };
}

function isImage(ref: AttachmentRef): boolean {
  return ref.media_type.startsWith('image/');
}
