import { seededRandom } from '../../helpers/random.ts';

/** What one aimed fault kills, and when. */
export const aims = [
  /** The worker, before the effect: the tool goes on without it, or dies with it. */
  'worker_before_effect',
  /** The worker, when the effect is on disk and nothing is answered. */
  'worker_after_effect',
  /** The worker, when the calls have just been proposed. */
  'worker_at_request',
  /** The worker, some milliseconds after the decision: around the intent. */
  'worker_at_decision',
  /** The worker, when clients hear of the result. */
  'worker_at_result',
  /** The worker, with the result in the store and its completion held back from Temporal. */
  'worker_before_completion',
  /** The gateway that has just been sent a decision. */
  'gateway_at_decision',
  /** The gateway that has just acked a decision. */
  'gateway_at_ack',
  /** The gateway that has acked a decision, with its signal held back from Temporal. */
  'gateway_before_signal',
  /** Temporal, when a decision was acked. */
  'temporal_at_ack',
  /** Temporal, when the effect is on disk. */
  'temporal_after_effect',
  /** The tool's own server, when the effect is on disk. */
  'tool_server_after_effect',
] as const;
export type Aim = (typeof aims)[number];

export interface PlannedFault {
  aim: Aim;
  /** From the moment to the kill. */
  afterMs: number;
  /** How long what was killed stays away. */
  downMs: number;
  /** Whether the tool's server dies with its worker. */
  withChildren: boolean;
}

/** Who decides how. `double`: the same person twice, by two ways. `contest`: two people at once, differently. */
export type DecisionKind = 'approve' | 'reject' | 'double' | 'contest';

export interface PlannedCall {
  nonce: string;
  tool: 'keyed' | 'plain';
  arguments: { nonce: string; text: string };
  decision: DecisionKind;
  via: 'websocket' | 'http';
  thinkMs: number;
  fault: PlannedFault | null;
}

export interface ToolsPlan {
  seed: number;
  calls: number;
  sessions: number;
  /** How many of the calls have a fault that is aimed at them. */
  aimedShare: number;
  /** Between two kills at random, on average. */
  meanKillMs: number;
}

export type PlannedTurn = PlannedCall[];
export interface PlannedSession {
  turns: PlannedTurn[];
}

const callsOfTurnMost = 4;
const thinkMostMs = 600;
const afterMostMs = 40;
const downMostMs = 1_500;
const textMostChars = 40;

/** What everybody does and what breaks; the same for the same seed. */
export function planTools(plan: ToolsPlan): PlannedSession[] {
  const random = seededRandom(plan.seed);
  const upTo = (most: number) => Math.floor(random() * most);
  const sessions: PlannedSession[] = Array.from({ length: plan.sessions }, () => ({ turns: [] }));
  let aimed = upTo(aims.length);
  for (let made = 0, turn = 0; made < plan.calls; turn += 1) {
    const session = sessions[turn % sessions.length];
    const size = Math.min(1 + upTo(callsOfTurnMost), plan.calls - made);
    const calls = Array.from({ length: size }, (_, index): PlannedCall => {
      const nonce = `n${plan.seed}-${made + index}`;
      const isAimed = random() < plan.aimedShare;
      // Every aim comes, also in a short run: they take turns.
      const aim = aims[aimed % aims.length] ?? 'worker_after_effect';
      if (isAimed) aimed += 1;
      return {
        nonce,
        tool: random() < 0.5 ? 'keyed' : 'plain',
        arguments: { nonce, text: 'x'.repeat(upTo(textMostChars)) },
        decision: decisionOf(random(), isAimed),
        via: random() < 0.6 ? 'websocket' : 'http',
        thinkMs: upTo(thinkMostMs),
        fault: isAimed
          ? { aim, afterMs: upTo(afterMostMs), downMs: upTo(downMostMs), withChildren: random() < 0.4 }
          : null,
      };
    });
    made += size;
    session?.turns.push(calls);
  }
  return sessions;
}

/** A fault that is aimed at a call's run needs that the call runs. */
function decisionOf(chance: number, isAimed: boolean): DecisionKind {
  if (chance < 0.5) return 'approve';
  if (chance < 0.65) return 'double';
  if (isAimed) return 'approve';
  return chance < 0.85 ? 'contest' : 'reject';
}
