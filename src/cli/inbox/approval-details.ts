import type { ApprovalView } from '../../protocol/approvals.ts';
import type { RememberScope } from '../../protocol/client-frames.ts';

export type ApprovalDetails = ApprovalView & {
  original_arguments?: unknown;
  tool_hash?: string;
  round: number;
  level: number;
  needed: number;
  description: string | null;
  schema: unknown;
  approvers: string[];
  may_decide: boolean;
  remember: RememberScope;
  votes: { user_id: string; at: number }[];
  audit: { at: number; actor: string; via: string; action: string }[];
};
