import { setTimeout as delay } from 'node:timers/promises';
import { measureDecision } from './decision.ts';
import { measureDeltas, measurePlane } from './deltas.ts';
import { measureFirstDelta } from './first-delta.ts';
import { measureGatewayStreams } from './gateway-streams.ts';
import { measureHistory } from './history.ts';
import { measureHumanPace } from './human-pace.ts';
import { measureIdle } from './idle.ts';
import { measureManyStreams } from './many-streams.ts';
import { measureResume } from './resume.ts';
import type { Findings, Row } from './rows.ts';
import type { System } from './system.ts';

export const partNames = ['a', 'b', 'plane', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] as const;
export type PartName = (typeof partNames)[number];

export interface Scale {
  first: { pairs: number; warmups: number };
  streamCounts: number[];
  /** How long all streams of (b) run together. */
  windowMs: number;
  human: { turnsEach: number; tokens: number; thinkMs: number };
  idle: { connections: number; watchMs: number };
  many: { steps: number[]; windowMs: number };
  resume: { clients: number };
  gateway: { connections: number; windowMs: number };
  decision: { rounds: number; warmups: number };
  /** For what the part before set off to come to rest: last commits, closing runs. */
  restMs: number;
}
export const scales: Record<'full' | 'quick', Scale> = {
  full: {
    first: { pairs: 80, warmups: 5 },
    streamCounts: [1, 10, 100],
    windowMs: 8_000,
    human: { turnsEach: 3, tokens: 60, thinkMs: 2_000 },
    idle: { connections: 15_000, watchMs: 10_000 },
    many: { steps: [100, 200, 300, 400, 500, 600, 800, 1_000], windowMs: 6_000 },
    resume: { clients: 1_000 },
    gateway: { connections: 1_000, windowMs: 10_000 },
    decision: { rounds: 60, warmups: 5 },
    restMs: 1_000,
  },
  quick: {
    first: { pairs: 4, warmups: 1 },
    streamCounts: [1, 10],
    windowMs: 300,
    human: { turnsEach: 1, tokens: 20, thinkMs: 300 },
    idle: { connections: 200, watchMs: 600 },
    many: { steps: [5], windowMs: 300 },
    resume: { clients: 20 },
    gateway: { connections: 20, windowMs: 1_500 },
    decision: { rounds: 3, warmups: 1 },
    restMs: 100,
  },
};

/** Runs the parts one after the other on the same processes. */
export async function runParts(
  system: System,
  scale: Scale,
  wanted: readonly PartName[],
  say: (line: string) => void,
): Promise<{ rows: Row[]; details: Record<string, Findings['details']> }> {
  const { streamCounts, windowMs, restMs } = scale;
  const parts: { part: PartName; name: string; line: string; measure(): Promise<Findings> }[] = [
    {
      part: 'a',
      name: 'a',
      line: `(a) ${scale.first.pairs} pairs of a message and a bare start ...`,
      measure: () => measureFirstDelta(system, scale.first),
    },
    ...streamCounts.map((streams) => ({
      part: 'b' as const,
      name: `b.gateway.${streams}`,
      line: `(b) ${streams} × 50 tokens a second through everything ...`,
      measure: () => measureDeltas(system, { streams, windowMs }),
    })),
    ...streamCounts.map((streams) => ({
      part: 'plane' as const,
      name: `b.plane.${streams}`,
      line: `(b) ${streams} × 50 deltas a second on the live plane alone ...`,
      measure: () => measurePlane(system, { streams, windowMs }),
    })),
    {
      part: 'c',
      name: 'c',
      line: '(c) a turn of 200 and one of 2,000 tokens ...',
      measure: () => measureHistory(system),
    },
    {
      part: 'd',
      name: 'd',
      line: '(d) ten people at a human pace ...',
      measure: () => measureHumanPace(system, scale.human),
    },
    {
      part: 'e',
      name: 'e',
      line: `(e) ${scale.idle.connections} connections that do nothing, of the gateway and of a bare server ...`,
      measure: () => measureIdle(system, scale.idle),
    },
    {
      part: 'f',
      name: 'f',
      line: `(f) up to ${scale.many.steps.at(-1)} sessions at 20 tokens a second ...`,
      measure: () => measureManyStreams(system, scale.many),
    },
    {
      part: 'g',
      name: 'g',
      line: `(g) ${scale.resume.clients} clients come back in the middle of a stream ...`,
      measure: () => measureResume(system, scale.resume),
    },
    {
      part: 'h',
      name: 'h',
      line: `(h) ${scale.gateway.connections} streaming connections of the gateway ...`,
      measure: () => measureGatewayStreams(system, scale.gateway),
    },
    {
      part: 'i',
      name: 'i',
      line: `(i) ${scale.decision.rounds} approvals, and as many bare signals ...`,
      measure: () => measureDecision(system, scale.decision),
    },
  ];
  const rows: Row[] = [];
  const details: Record<string, Findings['details']> = {};
  for (const { part, name, line, measure } of parts) {
    if (!wanted.includes(part)) continue;
    say(line);
    const found = await measure();
    rows.push(...found.rows);
    details[name] = found.details;
    await delay(restMs);
  }
  return { rows, details };
}
