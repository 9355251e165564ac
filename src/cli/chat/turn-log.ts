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
export function note<T extends TurnLog>(at: T, item: LogItem): T {
  return { ...at, log: [...at.log, item] };
}

export function openTurn<T extends TurnLog>(at: T, turnId: string): T {
  if (at.turns.some((turn) => turn.turnId === turnId)) return at;
  return { ...at, turns: [...at.turns, { turnId, held: [] }] };
}

/** A turn that runs is the first of those that have not ended. */
export function runTurn<T extends TurnLog>(at: T, turnId: string): T {
  let log = openTurn(at, turnId);
  for (const turn of log.turns.slice(0, -1)) {
    if (turn.turnId === turnId) break;
    log = endTurn(log, turn.turnId);
  }
  return log;
}

export function append<T extends TurnLog>(at: T, turnId: string | undefined, item: LogItem): T {
  const index = at.turns.findIndex((turn) => turn.turnId === turnId);
  if (index <= 0) return note(at, item);
  const turns = at.turns.map((turn) =>
    turn.turnId === turnId ? { ...turn, held: [...turn.held, item] } : turn,
  );
  return { ...at, turns };
}

/** Ends a turn; when it was the first, the next one's messages are printed. */
export function endTurn<T extends TurnLog>(at: T, turnId: string | undefined): T {
  const index = at.turns.findIndex((turn) => turn.turnId === turnId);
  if (index < 0) return at;
  const turns = at.turns.filter((turn) => turn.turnId !== turnId);
  const ended = at.turns[index];
  if (index > 0) return { ...at, log: [...at.log, ...(ended?.held ?? [])], turns };
  const [next, ...rest] = turns;
  if (!next) return { ...at, turns };
  return { ...at, log: [...at.log, ...next.held], turns: [{ ...next, held: [] }, ...rest] };
}
