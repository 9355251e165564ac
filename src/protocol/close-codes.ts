/** WebSocket close codes and their reasons; what a client should do is in docs/protocol.md. */
export const closeCodes = {
  replaced: { code: 4000, reason: 'Replaced by new connection' },
  unauthorized: { code: 4001, reason: 'Unauthorized' },
  accessDenied: { code: 4003, reason: 'Access denied' },
  sessionNotFound: { code: 4004, reason: 'Session not found' },
  idle: { code: 4008, reason: 'No frame for 45 s' },
  tooSlow: { code: 4009, reason: 'Too slow, even for snapshots' },
  tokenExpired: { code: 4010, reason: 'Token expired' },
  frameTooLarge: { code: 4013, reason: 'Frame too large' },
  tooMany: { code: 4029, reason: 'Too many connections or frames' },
  restarting: { code: 1012, reason: 'Server restarting' },
} as const;
export type CloseReason = keyof typeof closeCodes;
