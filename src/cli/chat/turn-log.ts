import type { LogItem } from './log-item.ts';

/** A turn that has not ended. The first one runs; what belongs to the others is held until their time comes. */
export interface OpenTurn {
  turnId: string;
  held: readonly LogItem[];
}

/** What is printed, in the order of turns: a message that waits is printed after the turn before it. */
export interface TurnLog {
  log: readonly LogItem[];
  turns: readonly OpenTurn[];
}

/** Adds a line that belongs to no turn. */
export function note(at: TurnLog, item: LogItem): TurnLog {
  return { ...at, log: [...at.log, item] };
}

export function openTurn(at: TurnLog, turnId: string): TurnLog {
  if (at.turns.some((turn) => turn.turnId === turnId)) return at;
  return { ...at, turns: [...at.turns, { turnId, held: [] }] };
}

/** A turn that runs is the first of those that have not ended. */
export function runTurn(at: TurnLog, turnId: string): TurnLog {
  let log = openTurn(at, turnId);
  for (const turn of log.turns.slice(0, -1)) {
    if (turn.turnId === turnId) break;
    log = endTurn(log, turn.turnId);
  }
  return log;
}

export function append(at: TurnLog, turnId: string | undefined, item: LogItem): TurnLog {
  const index = at.turns.findIndex((turn) => turn.turnId === turnId);
  if (index <= 0) return note(at, item);
  const turns = at.turns.map((turn) =>
    turn.turnId === turnId ? { ...turn, held: [...turn.held, item] } : turn,
  );
  return { ...at, turns };
}

/** Ends a turn; when it was the first, the next one's messages are printed. */
export function endTurn(at: TurnLog, turnId: string | undefined): TurnLog {
  const index = at.turns.findIndex((turn) => turn.turnId === turnId);
  if (index < 0) return at;
  const turns = at.turns.filter((turn) => turn.turnId !== turnId);
  const ended = at.turns[index];
  if (index > 0) return { log: [...at.log, ...(ended?.held ?? [])], turns };
  const [next, ...rest] = turns;
  if (!next) return { log: at.log, turns };
  return { log: [...at.log, ...next.held], turns: [{ ...next, held: [] }, ...rest] };
}
