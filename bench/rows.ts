import type { Spread } from './stats.ts';

/** One line of the table. */
export interface Row {
  /** Stable name for programs: `a`, `b.gateway.100.p50` and so on. */
  id: string;
  what: string;
  value: number;
  unit: '×' | 'ms' | 'events' | 'kB' | 'sessions';
  /** What it should be at most, or at least where more is better; null where the figure only informs. */
  aim: number | null;
  met: boolean | null;
}

/** What one part of the bench found. */
export interface Findings {
  rows: Row[];
  /** The figures that the rows were made of, for whoever wants to look closer. */
  details: Record<string, Spread | number | null>;
}

export function row(id: string, what: string, value: number, unit: Row['unit'], aim?: number): Row {
  return { id, what, value, unit, aim: aim ?? null, met: aim === undefined ? null : value <= aim };
}

/** A row whose value should be `aim` or more. */
export function atLeast(id: string, what: string, value: number, unit: Row['unit'], aim: number): Row {
  return { id, what, value, unit, aim, met: value >= aim };
}
