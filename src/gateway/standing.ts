import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { notTakingPart } from '../protocol/roles.ts';
import type { Standing } from '../store/revocations.ts';

const reasons = {
  revoked: 'unauthorized',
  missing: 'sessionNotFound',
  denied: 'accessDenied',
} as const satisfies Record<Exclude<Standing, object>, CloseReason>;

/** Why somebody of this standing may not be connected; null: they may. */
export function whyNot(standing: Standing): CloseReason | null {
  return typeof standing === 'object' ? null : reasons[standing];
}

/** The same for who cannot be told by a close code. */
export function refusalOf(reason: CloseReason): PublicError {
  switch (reason) {
    case 'unauthorized':
      return new PublicError('unauthorized', 'The token was revoked. Sign in again.');
    case 'accessDenied':
      return notTakingPart();
    case 'sessionNotFound':
      return new PublicError('not_found', 'There is no such session.');
    case 'tooMany':
      return new PublicError(
        'rate_limit',
        'You have too many connections; each session of a Socket.IO connection counts as one. Close some.',
      );
    default:
      return new PublicError('unavailable', `${closeCodes[reason].reason}. Try again in a second.`);
  }
}
