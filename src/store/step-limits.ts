import type { LimitName, TurnLimits } from '../protocol/turn-limits.ts';
import type { Tx } from './db.ts';
import { type Passage, passLimits } from './limits.ts';

/** The limits that are looked at before a step; that of tool calls is looked at before each call. */
const stepLimits = ['steps', 'tokens', 'cost', 'wall_time_ms'] as const satisfies LimitName[];

/** Of a step that has begun before. */
export const passed = { kind: 'free', granted: 0 } as const;

/** What a step uses is counted when it ends, so limits are looked at before the next one; of a first step only the day's. */
export async function passStepLimits(
  tx: Tx,
  input: { sessionId: string; step: number; limits: TurnLimits; questionMs: number },
  turn: { id: string; user_id: string; limit_key: string | null },
): Promise<Passage> {
  const { limits, step, sessionId, questionMs } = input;
  const { tokens, cost, wall_time_ms } = limits.turn;
  const ofTurn = step > 1 && (tokens ?? cost ?? wall_time_ms) !== undefined;
  const stepsAreUp = step > limits.turn.steps;
  const ofDay = stepLimits.some((name) => limits.userDay[name] !== undefined);
  if (turn.limit_key === null && !ofTurn && !stepsAreUp && !ofDay) return passed;
  const at = {
    sessionId,
    limits,
    questionMs,
    turnId: turn.id,
    userId: turn.user_id,
    limitKey: turn.limit_key,
  };
  return passLimits(tx, at, stepLimits, { known: { steps: step - 1 } });
}
