import type { AskedAgain, InputAction } from '../protocol/frame-parts.ts';

/** What people read of gates and questions. */
export const gateWords: {
  readonly askedAgain: Readonly<Record<AskedAgain, string>>;
  /** Behind a decision. */
  readonly remembered: Readonly<Record<'session' | 'always', string>>;
  readonly answered: Readonly<Record<InputAction, string>>;
} = {
  askedAgain: {
    escalated: 'nobody decided in time',
    edited: 'somebody changed what is to run',
    arguments_changed: 'its arguments are not those that were approved',
    tool_changed: 'the tool is not what it was when it was approved',
    rule_changed: 'another rule, or other terms, hold for it now',
    grant_fell: 'the approval that was remembered no longer counts',
  },
  remembered: { session: ', remembered for this session', always: ', remembered for good' },
  answered: { accept: 'answered', decline: 'declined', cancel: 'not answered' },
};
