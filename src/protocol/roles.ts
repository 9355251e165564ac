import { PublicError } from './errors.ts';
import type { ParticipantRole } from './frame-parts.ts';

/** What a participant does in a session; `manage` changes and deletes it, and says who takes part. */
export type Right = 'see' | 'message' | 'typing' | 'cancel' | 'decide' | 'manage';

/** The roles that hold each right. */
export const rightHolders: Record<Right, readonly ParticipantRole[]> = {
  see: ['owner', 'member', 'approver', 'viewer'],
  message: ['owner', 'member'],
  typing: ['owner', 'member'],
  cancel: ['owner', 'member'],
  decide: ['owner', 'member', 'approver'],
  manage: ['owner'],
};

const words: Record<Right, string> = {
  see: 'Seeing this session',
  message: 'Sending messages to this session',
  typing: 'Typing in this session',
  cancel: 'Stopping a turn of this session',
  decide: 'Deciding on tool calls of this session',
  manage: 'Changing this session',
};

export function hasRight(role: ParticipantRole, right: Right): boolean {
  return rightHolders[right].includes(role);
}

/** @throws PublicError `forbidden`, in words that say which role is needed */
export function requireRight(role: ParticipantRole | null, right: Right): void {
  if (role !== null && hasRight(role, right)) return;
  if (role === null) throw notTakingPart();
  const needed = rightHolders[right].join(', ');
  throw new PublicError(
    'forbidden',
    `${words[right]} needs one of these roles: ${needed}. Yours is ${role}; ask an owner to change it.`,
  );
}

export function notTakingPart(): PublicError {
  return new PublicError('forbidden', 'You do not take part in this session. Ask its owner to add you.');
}
