import { getParts } from 'uWebSockets.js';
import { PublicError } from '../protocol/errors.ts';
import { isCleanText } from '../protocol/text.ts';

/** A file as it was sent. */
export interface UploadedFile {
  name: string;
  /** As its sender says, lower case, without parameters. */
  mediaType: string;
  bytes: Buffer;
}

const nameChars = 200;
/** It is written into a header as it is: nothing but what a type may hold. */
const typePattern = /^[a-z0-9!#$&^_.+-]{1,63}\/[a-z0-9!#$&^_.+-]{1,63}$/;
/** What the first bytes of each image type must be, at an offset. */
const signatures: Record<string, [offset: number, bytes: string][][]> = {
  'image/png': [[[0, '\x89PNG\r\n\x1a\n']]],
  'image/jpeg': [[[0, '\xff\xd8\xff']]],
  'image/gif': [[[0, 'GIF87a']], [[0, 'GIF89a']]],
  'image/webp': [
    [
      [0, 'RIFF'],
      [8, 'WEBP'],
    ],
  ],
};

/**
 * Finds the file in a body: the body itself, or the one file of a form.
 * @throws PublicError `validation_error`
 */
export function readUpload(request: {
  contentType: string;
  contentDisposition: string;
  nameInQuery: string | null;
  body: Buffer;
}): UploadedFile {
  const { contentType, contentDisposition, nameInQuery, body } = request;
  if (!/^multipart\/form-data\b/i.test(contentType)) {
    const name = nameInQuery ?? dispositionName(contentDisposition) ?? '';
    return { name: cleanName(name), mediaType: bareType(contentType), bytes: body };
  }
  const files = (getParts(body, contentType) ?? []).filter((part) => part.filename !== undefined);
  const [file] = files;
  if (!file || files.length > 1) {
    throw new PublicError(
      'validation_error',
      `The form must hold one file, and holds ${files.length}. Send one request for each.`,
    );
  }
  const type = bareType(file.type ?? '');
  return {
    name: cleanName(nameInQuery ?? file.filename ?? ''),
    mediaType: type,
    bytes: Buffer.from(file.data),
  };
}

/**
 * Whether the bytes are what their type says, and of a type that is taken in: images by their first bytes, texts by
 * being UTF-8.
 * @throws PublicError `validation_error`
 */
export function checkType({ mediaType, bytes }: UploadedFile): void {
  if (bytes.length === 0) throw new PublicError('validation_error', 'The attachment is empty.');
  if (!typePattern.test(mediaType)) {
    throw new PublicError(
      'validation_error',
      'The Content-Type of the attachment is missing, or is no media type.',
    );
  }
  const signature = signatures[mediaType];
  if (signature) {
    const isIt = signature.some((parts) =>
      parts.every(([at, wanted]) => bytes.toString('latin1', at, at + wanted.length) === wanted),
    );
    if (isIt) return;
    throw new PublicError('validation_error', `The bytes are no ${mediaType}: its signature is not there.`);
  }
  if (!mediaType.startsWith('text/') && mediaType !== 'application/json') {
    throw new PublicError(
      'validation_error',
      `An attachment of type "${mediaType}" is not taken. Send image/png, image/jpeg, image/gif, image/webp, text/* or application/json as Content-Type.`,
    );
  }
  if (!isText(bytes)) throw new PublicError('validation_error', 'The text is not valid UTF-8, or holds NUL.');
}

function isText(bytes: Buffer): boolean {
  try {
    return isCleanText(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The decoder's own words name no place.
    return false;
  }
}

function bareType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/** The file name of a `Content-Disposition`; the one with a charset wins. */
function dispositionName(header: string): string | undefined {
  const encoded = /filename\*=utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      throw new PublicError('validation_error', 'The filename* of Content-Disposition is not valid UTF-8.');
    }
  }
  const [, quoted, bare] = /filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? bare;
}

/** A name that may be shown and saved: no folders, no control characters, some length. */
function cleanName(name: string): string {
  const last = name.toWellFormed().split(/[/\\]/).at(-1) ?? '';
  const shown = last.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim();
  const cut = [...shown].slice(0, nameChars).join('');
  return cut === '' || /^\.+$/.test(cut) ? 'attachment' : cut;
}
