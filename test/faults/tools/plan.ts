import { seededRandom } from '../../helpers/random.ts';
import { type Aim, aims } from './aims.ts';

export interface PlannedFault {
  aim: Aim;
  /** From the moment to the kill. */
  afterMs: number;
  /** How long what was killed stays away. */
  downMs: number;
  /** Whether the tool's server dies with its worker. */
  withChildren: boolean;
}

/**
 * `keyed` and `noted` are marked idempotent and honour keys; the others are neither. `noted` may be approved for the rest
 * of the session, `free` is allowed, `never` is denied; the others are asked about. `asks` asks a person something before
 * it has its effect, and its server says that it does.
 */
export const toolNames = ['keyed', 'noted', 'plain', 'free', 'never', 'asks'] as const;
export type ToolName = (typeof toolNames)[number];

export function honoursKeys(tool: ToolName): boolean {
  return tool === 'keyed' || tool === 'noted';
}

/** As a policy and people see it: `server.tool`. */
export function serverOf(tool: ToolName): 'effects' | 'asking' {
  return tool === 'asks' ? 'asking' : 'effects';
}

export interface CallArguments extends Record<string, unknown> {
  nonce: string;
  text: string;
  /** How many have to approve it. */
  people: 1 | 2;
}

/** What people do about a call, if they are asked. Two of the kinds have two people who say different things at once. */
export const decisionKinds = [
  'approve',
  'reject',
  /** The same person twice, in two ways. */
  'double',
  /** One approves, the other rejects. */
  'contest',
  /** Approved with other arguments. */
  'edit',
  /** One approves with other arguments, the other rejects. */
  'edit_contest',
  /** Two are needed, and approve at once. */
  'quorum',
  /** Two are needed, and only one approves. */
  'quorum_reject',
  /** Approved for the rest of the session. */
  'remember',
] as const;
export type DecisionKind = (typeof decisionKinds)[number];

/** What a person says when nobody knows whether a call had its effect. */
export type OutcomeAnswer = 'happened' | 'did_not_happen' | 'run_again';

export interface PlannedCall {
  nonce: string;
  tool: ToolName;
  /** As the model asks for it. */
  arguments: CallArguments;
  decision: DecisionKind;
  via: 'websocket' | 'http';
  thinkMs: number;
  outcome: OutcomeAnswer;
  /** What a person answers to the tool `asks`. */
  choice: 'red' | 'blue';
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

const asking: [ToolName, number][] = [['asks', 1]];
/** How often of a hundred. */
const tools: [ToolName, number][] = [
  ['keyed', 36],
  ['plain', 36],
  ['noted', 13],
  ['free', 10],
  ['never', 5],
  ['asks', 10],
];
const decisions: [DecisionKind, number][] = [
  ['approve', 32],
  ['double', 12],
  ['edit', 12],
  ['quorum', 12],
  ['contest', 12],
  ['reject', 10],
  ['edit_contest', 6],
  ['quorum_reject', 4],
];
/** Of what a person is asked about besides. */
const simple: [DecisionKind, number][] = [
  ['approve', 70],
  ['double', 30],
];
/** A fault that is aimed at a call's run needs that the call runs. */
const running: [DecisionKind, number][] = [
  ['approve', 50],
  ['double', 15],
  ['edit', 20],
  ['quorum', 15],
];
const outcomes: [OutcomeAnswer, number][] = [
  ['happened', 34],
  ['did_not_happen', 33],
  ['run_again', 33],
];

/** What everybody does and what breaks; the same for the same seed. */
export function planTools(plan: ToolsPlan): PlannedSession[] {
  const random = seededRandom(plan.seed);
  const upTo = (most: number) => Math.floor(random() * most);
  const sessions: PlannedSession[] = Array.from({ length: plan.sessions }, () => ({ turns: [] }));
  let aimed = upTo(aims.length);
  const planCall = (number: number): PlannedCall => {
    const nonce = `n${plan.seed}-${number}`;
    const isAimed = random() < plan.aimedShare;
    // Every aim comes, also in a short run: they take turns.
    const aim = aims[aimed % aims.length] ?? 'worker_after_effect';
    if (isAimed) aimed += 1;
    const isAsking = isAimed && aim === 'worker_at_question';
    const tool = pick(isAsking ? asking : isAimed ? tools.slice(0, 2) : tools, random());
    const kinds = tool === 'asks' ? simple : isAimed ? running : decisions;
    const decision = tool === 'noted' ? 'remember' : pick(kinds, random());
    return {
      nonce,
      tool,
      arguments: { nonce, text: 'x'.repeat(upTo(textMostChars)), people: peopleFor(decision) },
      decision,
      via: random() < 0.6 ? 'websocket' : 'http',
      thinkMs: upTo(thinkMostMs),
      // What needs two people is not made again because one says so.
      outcome: pick(peopleFor(decision) === 2 ? outcomes.slice(0, 2) : outcomes, random()),
      choice: random() < 0.5 ? 'red' : 'blue',
      fault: isAimed
        ? { aim, afterMs: upTo(afterMostMs), downMs: upTo(downMostMs), withChildren: random() < 0.4 }
        : null,
    };
  };
  for (let made = 0, turn = 0; made < plan.calls; turn += 1) {
    const size = Math.min(1 + upTo(callsOfTurnMost), plan.calls - made);
    const first = made;
    sessions[turn % sessions.length]?.turns.push(
      Array.from({ length: size }, (_, index) => planCall(first + index)),
    );
    made += size;
  }
  return sessions;
}

/** What a person makes of the arguments who changes them. */
export function edited(args: CallArguments): CallArguments {
  return { ...args, text: `${args.text}, but shorter` };
}

function peopleFor(decision: DecisionKind): 1 | 2 {
  return decision === 'quorum' || decision === 'quorum_reject' ? 2 : 1;
}

function pick<T>(choices: [T, number][], chance: number): T {
  let left = chance * choices.reduce((sum, [, share]) => sum + share, 0);
  for (const [choice, share] of choices) {
    left -= share;
    if (left < 0) return choice;
  }
  throw new Error('There is nothing to choose from.');
}
