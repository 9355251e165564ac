import fc from 'fast-check';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { GateTerms } from '../../src/protocol/gate-terms.ts';

/** Who takes part in the session of each schedule; eve does not. */
export const people: Record<string, ParticipantRole> = {
  alice: 'owner',
  max: 'member',
  ada: 'approver',
  vic: 'viewer',
};
const speakers = [...Object.keys(people), 'eve'];
export type Action =
  | {
      kind: 'say';
      by: string;
      approved: boolean;
      to?: string;
      stale: boolean;
      round: boolean;
      twice: boolean;
    }
  | { kind: 'operator'; approved: boolean }
  | { kind: 'time' }
  | { kind: 'leave'; who: string }
  | { kind: 'end' };

const say = fc.record({
  kind: fc.constant('say' as const),
  by: fc.constantFrom(...speakers),
  approved: fc.boolean(),
  to: fc.option(fc.constantFrom('bob', 'carol', 'dave'), { nil: undefined, freq: 4 }),
  stale: fc.boolean(),
  round: fc.boolean(),
  twice: fc.boolean(),
});
/** What may happen at a gate. */
export const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: say.map((one) => ({ ...one, stale: one.stale && !one.round })) as fc.Arbitrary<Action>,
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('operator' as const), approved: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant<Action>({ kind: 'time' }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.constantFrom('max', 'ada') }),
  },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: 'end' }) },
);
const level = fc.record({
  approvers: fc.record({
    users: fc.constantFrom<string[]>([], ['max'], ['eve']),
    roles: fc.constantFrom<ParticipantRole[]>([], ['owner'], ['owner', 'member', 'approver']),
    requester: fc.boolean(),
  }),
  needed: fc.integer({ min: 1, max: 3 }),
  timeoutMs: fc.constant(null),
  remindEveryMs: fc.constantFrom(null, 60_000),
});
/** Of one gate: one level, or two. */
export const terms = fc
  .array(level, { minLength: 1, maxLength: 2 })
  .map((levels): GateTerms => ({ rule: 'generated', levels, remember: 'once' }));
