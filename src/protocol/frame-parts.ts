import { z } from 'zod';

/* What frames are made of: words, and small shapes. */

export const timestamp = z.int().describe('milliseconds since 1970');
export const json = z.json();

export const usage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
});
export type Usage = z.infer<typeof usage>;

export const gateDecision = z.enum(['allow', 'ask', 'deny']);
export type GateDecision = z.infer<typeof gateDecision>;
export const approvalOutcome = z.enum(['approved', 'rejected', 'expired', 'withdrawn']);
export type ApprovalOutcome = z.infer<typeof approvalOutcome>;
/** Why a call that was asked about, or did not need it, is asked about again. */
export const askedAgain = z.enum([
  'escalated',
  'edited',
  'arguments_changed',
  'tool_changed',
  'rule_changed',
  'grant_fell',
]);
export type AskedAgain = z.infer<typeof askedAgain>;
export const inputKind = z.enum(['elicitation', 'limit', 'unknown_outcome']);
export type InputKind = z.infer<typeof inputKind>;
export const inputAction = z.enum(['accept', 'decline', 'cancel']);
export type InputAction = z.infer<typeof inputAction>;
export const toolResultStatus = z.enum(['completed', 'failed', 'rejected', 'denied', 'cancelled', 'unknown']);
export type ToolResultStatus = z.infer<typeof toolResultStatus>;
export const turnEndStatus = z.enum(['completed', 'failed', 'cancelled']);
export type TurnEndStatus = z.infer<typeof turnEndStatus>;

/** An attachment as frames and messages refer to it; its bytes are at `GET /v1/attachments/{id}`. */
export const attachmentRef = z.object({
  id: z.string(),
  name: z.string(),
  media_type: z.string(),
  size: z.int().nonnegative().describe('bytes'),
});
export type AttachmentRef = z.infer<typeof attachmentRef>;

export const participantRole = z.enum(['owner', 'member', 'approver', 'viewer']);
export type ParticipantRole = z.infer<typeof participantRole>;
export const participant = z.object({ user_id: z.string(), role: participantRole });
export type Participant = z.infer<typeof participant>;
export const sessionState = z.enum(['active', 'suspended', 'closed']);
export type SessionState = z.infer<typeof sessionState>;
