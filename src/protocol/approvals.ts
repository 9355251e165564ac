import { z } from 'zod';
import { rememberScope } from './client-frames.ts';
import { standingDecision } from './live-frames.ts';
import { feedPlace, nextOlder } from './page.ts';
import { eventBodies } from './server-frames.ts';

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
  original_arguments: z.json().optional().describe('what the model asked for, where a person changed it'),
  tool_hash: z.string().optional().describe('of the name, description and schema of the tool'),
  rule: z.string(),
  reason: z.string(),
  requested_at: z.int(),
  expires_at: z.int().nullable(),
  round: z.int().positive().describe('counts how often it was asked about'),
  level: z.int().nonnegative().describe('how often it was escalated'),
  needed: z.int().positive().describe('how many have to approve'),
  missing_approvers: z
    .int()
    .nonnegative()
    .describe(
      'how many more of those whom the rule lets decide would have to take part; 0: enough, or decided',
    ),
  decision: standingDecision.nullable().describe('the one that stands; null while it is pending'),
});
export type ApprovalView = z.infer<typeof approvalView>;

/** One thing that was done to an approval: written once, changed never. */
export const auditEntry = z.object({
  at: z.int(),
  actor: z.string().describe('a user, `operator` or `turngate`'),
  via: z.string(),
  address: z.string().nullable(),
  action: z.enum([
    'asked',
    'approved',
    'rejected',
    'expired',
    'withdrawn',
    'voted',
    'edited',
    'reminded',
    'escalated',
    'granted',
    'ran_under_grant',
    'grant_revoked',
  ]),
  body: z.record(z.string(), z.json()),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** What an attempt brought after it had been given up. */
export const lateResult = eventBodies.tool_late_result.omit({ tool_call_id: true }).extend({ at: z.int() });
export type LateResultView = z.infer<typeof lateResult>;

/** All that is known of one approval. */
export const approvalDetails = approvalView.extend({
  description: z.string().nullable().describe('what the tool says of itself'),
  schema: z.json().describe('JSON Schema of its arguments; null where it is not known'),
  approvers: z.array(z.string()),
  may_decide: z.boolean().describe('whether you are one of them'),
  remember: rememberScope.describe('the most that it may be remembered for'),
  votes: z.array(z.object({ user_id: z.string(), at: z.int() })),
  status: z.string().describe('of the call: `waiting`, `ready`, `running`, `asking` or its end'),
  policy_revision: z.string().nullable(),
  audit: z.array(auditEntry),
  late_results: z
    .array(lateResult)
    .describe('what attempts brought after they had been given up: evidence, which changes nothing'),
});
export type ApprovalDetails = z.infer<typeof approvalDetails>;

/** An approval that is remembered. */
export const grantView = z.object({
  id: z.string(),
  scope: z.enum(['session', 'always']),
  session_id: z.string().describe('where it was given; with `session` the only one that it is for'),
  for_user: z.string().describe('whose calls'),
  granted_by: z.string(),
  tool: z.string(),
  tool_hash: z.string(),
  rule: z.string(),
  policy_revision: z.string(),
  tool_call_id: z.string().describe('the call at which it was given'),
  granted_at: z.int(),
});
export type GrantView = z.infer<typeof grantView>;
export const grantsPage = z.object({ grants: z.array(grantView), next: nextOlder });
export type GrantsPage = z.infer<typeof grantsPage>;

export const approvalsPage = z.object({
  approvals: z.array(approvalView).describe('the one that was asked for last comes first'),
  last_seq: feedPlace,
  next: nextOlder,
});
export type ApprovalsPage = z.infer<typeof approvalsPage>;
