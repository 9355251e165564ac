import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** SHA-256 (hex) of the canonical JSON; made here, so that the judge believes nothing of what it judges. */
export function hashOf(value: Record<string, unknown>): string {
  return createHash('sha256')
    .update(String(canonicalize(value)))
    .digest('hex');
}
