/** The smallest real PNG: one pixel. */
export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export interface Upload {
  token: string;
  type?: string;
  name?: string;
  bytes: Buffer | string;
}

/** Uploads a body as it stands. */
export async function upload(http: string, sessionId: string, { token, type, name, bytes }: Upload) {
  const query = name === undefined ? '' : `?name=${encodeURIComponent(name)}`;
  const answer = await fetch(`${http}/v1/sessions/${sessionId}/attachments${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type ?? 'image/png' },
    body: new Uint8Array(Buffer.from(bytes)),
  });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}
