import type { ApprovalRequest, GivenApproval, LateResult, Shown } from './gate-state.ts';

/** How a client follows the gate of a tool call. Part of Rules, so that a test can replace one by a wrong one. */
export interface GateRules {
  /** What waits once it is asked, or asked again. */
  ask(
    known: Pick<ApprovalRequest, 'round' | 'approvals' | 'reminders'> | null,
    asked: ApprovalRequest,
  ): ApprovalRequest;
  /** One of several people approved. */
  vote(known: readonly GivenApproval[], vote: GivenApproval): readonly GivenApproval[];
  /** What a decision says that it is about. */
  shown(approval: Pick<ApprovalRequest, 'argumentsHash' | 'toolHash' | 'round'> | null | undefined): Shown;
  /** What came too late, kept beside the result. */
  late(known: readonly LateResult[], late: LateResult): readonly LateResult[];
}

/** The newest that are kept of a call. */
const keptLate = 10;

export const gateRules: GateRules = {
  // The later one counts alone; approvals are of a round, and escalating begins none.
  ask: (known, asked) =>
    known?.round === asked.round
      ? { ...asked, approvals: known.approvals, reminders: known.reminders }
      : asked,

  vote: (known, vote) => [...known.filter(({ by }) => by !== vote.by), vote],

  shown: (approval) => ({
    argumentsHash: approval?.argumentsHash,
    toolHash: approval?.toolHash ?? undefined,
    round: approval?.round,
  }),

  late: (known, late) => [...known, late].slice(-keptLate),
};
