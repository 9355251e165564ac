import { createHmac } from 'node:crypto';

const prefix = 'whsec_';
const keyBytes = { min: 24, max: 64 };

/**
 * The key in a secret of the Standard Webhooks form: `whsec_`, then 24 to 64 bytes in base64.
 * @returns null where it is not of that form
 */
export function webhookKey(secret: string): Buffer | null {
  const encoded = secret.startsWith(prefix) ? secret.slice(prefix.length) : '';
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
  const key = Buffer.from(encoded, 'base64');
  return key.length >= keyBytes.min && key.length <= keyBytes.max ? key : null;
}

export function webhookSecret(key: Buffer): string {
  return `${prefix}${key.toString('base64')}`;
}

/**
 * The headers of Standard Webhooks: one signature for each key, so that a receiver may know the old one or the new.
 * @param message `timestamp` is of this attempt, in seconds since 1970
 */
export function signedHeaders(
  message: { id: string; timestamp: number; body: string },
  keys: readonly Buffer[],
): Record<string, string> {
  const { id, timestamp, body } = message;
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
