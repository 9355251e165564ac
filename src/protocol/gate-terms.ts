import type { RememberScope } from './client-frames.ts';
import type { ParticipantRole } from './frame-parts.ts';

/** Who may decide: a user of this list, or in one of these roles in the session. */
export interface Approvers {
  users: string[];
  roles: ParticipantRole[];
  /** Whether the user whose message led to the call may be one of them. */
  requester: boolean;
}

/** Who is asked, how many of them have to approve, and for how long. */
export interface GateLevel {
  approvers: Approvers;
  needed: number;
  /** null: as the session says, else the setting. */
  timeoutMs: number | null;
  /** null: nobody is reminded. */
  remindEveryMs: number | null;
}

/** What a rule that asks wants: kept with the call, so that it is decided by the rule that asked. */
export interface GateTerms {
  rule: string;
  /** The first is asked first; each further one is added when the one before it did not decide in time. Never empty. */
  levels: GateLevel[];
  /** The most that an approval may be remembered for. */
  remember: RememberScope;
}
