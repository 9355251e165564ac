import { z } from 'zod';
import { standingDecision } from './server-frames.ts';

export const approvalStatus = z.enum(['pending', 'resolved']);
export type ApprovalStatus = z.infer<typeof approvalStatus>;

/** A tool call that waits, or waited, for somebody's approval. */
export const approvalView = z.object({
  tool_call_id: z.string(),
  session_id: z.string(),
  session_title: z.string(),
  turn_id: z.string(),
  asked_by: z.string().describe('the user whose message led to it'),
  tool: z.string(),
  arguments: z.json(),
  arguments_hash: z.string(),
  rule: z.string(),
  reason: z.string(),
  requested_at: z.int(),
  expires_at: z.int().nullable(),
  decision: standingDecision.nullable().describe('the one that stands; null while it is pending'),
});
export type ApprovalView = z.infer<typeof approvalView>;

export const approvalsPage = z.object({
  approvals: z.array(approvalView).describe('the one that was asked for last comes first'),
  last_seq: z.int().nonnegative().describe('where your feed was at the moment of this page'),
  next: z.string().nullable().describe('pass as `before` to read older ones'),
});
export type ApprovalsPage = z.infer<typeof approvalsPage>;
