import { defineQuery, defineSignal } from '@temporalio/workflow';
import { signals, type TurnState, turnStateQueryName } from '../protocol/turn-workflow.ts';

/** Carries nothing: the store says what is to be done. */
export const wakeSignal = defineSignal(signals.wake);
/** Whoever may signal may send anything, so the payload is unknown until it is parsed. */
export const approvalSignal = defineSignal<[unknown]>(signals.approval);
export const cancelSignal = defineSignal<[unknown]>(signals.cancel);
export const turnStateQuery = defineQuery<TurnState>(turnStateQueryName);
export const inputSignal = defineSignal<[unknown]>(signals.input);
