import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { mayDecide } from '../../src/gate/approvers.ts';
import { argumentsHash, toolHash } from '../../src/gate/hashes.ts';
import { PublicError } from '../../src/protocol/errors.ts';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { GateTerms } from '../../src/protocol/gate-terms.ts';
import type { Db } from '../../src/store/db.ts';
import { decide, recordVerdict } from '../../src/store/decisions.ts';
import { readEvents } from '../../src/store/events.ts';
import { createSession } from '../../src/store/sessions.ts';
import { tendGate } from '../../src/store/tend-gate.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import type { Decided, Verdict } from '../../src/store/verdict.ts';
import { type Action, people } from './gate-schedule.ts';
import { seatParticipants } from './participants.ts';
import { gatedCall, StreamingStep } from './streaming.ts';

/** Of the tool that waits. */
const definition = {
  name: 'office.send_mail',
  server: 'office',
  description: 'Sends a mail.',
  inputSchema: { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] },
};

export async function openGate(db: Db, wanted: GateTerms): Promise<TestedGate> {
  const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
  await seatParticipants(db, sessionId, people);
  const step = new StreamingStep(db, { publish: () => undefined }, sessionId);
  await step.ask('do it');
  await step.open();
  const args = { to: 'bob' };
  const call = {
    ...gatedCall(),
    toolCallId: randomUUID(),
    arguments: args,
    argumentsHash: argumentsHash(args),
    definition,
    toolHash: toolHash(definition),
    rule: wanted.rule,
    terms: wanted,
  };
  await step.close({ calls: [call] });
  return new TestedGate(db, { sessionId, toolCallId: call.toolCallId, runId: step.runId });
}

/** One call at its gate, all that was said to whom, and what must hold of it. */
export class TestedGate {
  readonly #db: Db;
  readonly sessionId: string;
  readonly toolCallId: string;
  readonly runId: string;
  readonly acks: { verdict: Verdict; answer: Decided }[] = [];

  constructor(db: Db, at: { sessionId: string; toolCallId: string; runId: string }) {
    this.#db = db;
    this.sessionId = at.sessionId;
    this.toolCallId = at.toolCallId;
    this.runId = at.runId;
  }

  async row() {
    const { rows } = await this.#db.query(
      `select c.status, c.round, c.level, c.arguments, c.arguments_hash, c.tool_hash, c.terms from tool_calls c where id = $1`,
      [this.toolCallId],
    );
    return rows[0] as {
      status: string;
      round: number;
      level: number;
      arguments: Record<string, unknown>;
      arguments_hash: string;
      tool_hash: string;
      terms: GateTerms;
    };
  }

  async decisions() {
    const { rows } = await this.#db.query(
      'select round, decision, decided_by, arguments_hash, shown_hash from decisions where tool_call_id = $1 order by round',
      [this.toolCallId],
    );
    return rows as {
      round: number;
      decision: string;
      decided_by: string;
      arguments_hash: string;
      shown_hash: string;
    }[];
  }

  async roles(): Promise<Map<string, ParticipantRole>> {
    const { rows } = await this.#db.query<{ user_id: string; role: ParticipantRole }>(
      'select user_id, role from participants where session_id = $1',
      [this.sessionId],
    );
    return new Map(rows.map(({ user_id, role }) => [user_id, role]));
  }

  async do(what: Action): Promise<void> {
    if (what.kind === 'say') await this.#say(what);
    if (what.kind === 'operator') await this.#operator(what.approved);
    if (what.kind === 'time') await this.#time();
    if (what.kind === 'leave') {
      await this.#db.query('delete from participants where session_id = $1 and user_id = $2', [
        this.sessionId,
        what.who,
      ]);
    }
    if (what.kind === 'end') {
      const { sessionId, runId } = this;
      await endRunningTurn(this.#db, { sessionId, runId, status: 'cancelled' });
    }
  }

  async #say(what: Extract<Action, { kind: 'say' }>): Promise<void> {
    const before = await this.row();
    const decidedBefore = await this.decisions();
    const role = (await this.roles()).get(what.by);
    const shown = what.stale
      ? { argumentsHash: 'of-something-else' }
      : what.round
        ? { argumentsHash: before.arguments_hash, toolHash: before.tool_hash, round: before.round }
        : {};
    const verdict = {
      sessionId: this.sessionId,
      toolCallId: this.toolCallId,
      approved: what.approved,
      decidedBy: what.by,
      via: 'websocket',
      arguments: what.approved && what.to !== undefined ? { to: what.to } : undefined,
      ...shown,
    };
    const answer = await outcomeOf(decide(this.#db, verdict));
    const gate = { terms: before.terms, level: before.level, requesterId: 'alice' };
    const isEntitled = role !== undefined && role !== 'viewer' && mayDecide(gate, { userId: what.by, role });
    const hasStanding = decidedBefore.some(({ round }) => round === before.round);
    // Nobody is recorded who may not decide, about what they were not shown, or where nothing waits.
    if (typeof answer !== 'string' && answer.kind !== 'conflict' && !isRepeat(this.acks, what.by)) {
      expect({ isEntitled, stale: what.stale, waits: before.status === 'waiting' && !hasStanding }).toEqual({
        isEntitled: true,
        stale: false,
        waits: true,
      });
      if (before.round > 1) expect(what.round).toBe(true);
    }
    // One rejection decides alone.
    if (!what.approved && isEntitled && what.round && before.status === 'waiting' && !hasStanding) {
      expect(answer).toMatchObject({ kind: 'recorded', decision: { decision: 'rejected', by: what.by } });
    }
    // A decision that stands changes by nothing.
    if (hasStanding) expect(await this.decisions()).toEqual(decidedBefore);
    if (typeof answer !== 'string') {
      this.acks.push({ verdict: { ...verdict, outcome: what.approved ? 'approved' : 'rejected' }, answer });
    }
    if (!what.twice) return;
    // The same again, as after a cut: the same answer, and nothing happens twice.
    const count = await this.#events();
    const again = await outcomeOf(decide(this.#db, verdict));
    if (typeof answer !== 'string' && answer.kind !== 'conflict') {
      expect(withoutEvents(again)).toEqual(withoutEvents(answer));
    }
    expect(await this.#events()).toBe(count);
  }

  async #operator(approved: boolean): Promise<void> {
    const { sessionId, toolCallId } = this;
    const outcome = approved ? 'approved' : 'rejected';
    const answer = await outcomeOf(
      recordVerdict(this.#db, { sessionId, toolCallId, outcome, decidedBy: 'operator', via: 'signal' }),
    );
    if (typeof answer !== 'string') {
      const verdict = { sessionId, toolCallId, outcome, decidedBy: 'operator', via: 'signal' } as const;
      this.acks.push({ verdict, answer });
    }
  }

  /** The deadline passes; what is due is done, twice, as by an activity that is tried again. */
  async #time(): Promise<void> {
    const { sessionId, toolCallId } = this;
    const before = await this.row();
    await this.#db.query(`update tool_calls set expires_at = now() - interval '1 second' where id = $1`, [
      toolCallId,
    ]);
    const tended = await tendGate(this.#db, { sessionId, toolCallId });
    if (tended.kind === 'expired') {
      expect(before.level).toBe(before.terms.levels.length - 1);
      await recordVerdict(this.#db, {
        sessionId,
        toolCallId,
        outcome: 'expired',
        round: tended.round,
        decidedBy: 'turngate',
        via: 'timeout',
      });
    }
    if (tended.kind === 'waiting') expect((await this.row()).level).toBe(before.level + 1);
    const count = await this.#events();
    const again = await tendGate(this.#db, { sessionId, toolCallId });
    expect(again.kind).not.toBe('expired');
    expect(await this.#events()).toBe(count);
  }

  async #events(): Promise<number> {
    return (await readEvents(this.#db, { sessionId: this.sessionId, after: 0, limit: 1_000 })).length;
  }

  /** What must hold at the end, whatever was done. */
  async check(): Promise<void> {
    const row = await this.row();
    const decisions = await this.decisions();
    const frames = (await readEvents(this.#db, { sessionId: this.sessionId, after: 0, limit: 1_000 })).map(
      ({ frame }) => frame,
    );
    const resolved = frames.filter((frame) => frame.type === 'tool_approval_resolved');
    expect(resolved.map(({ decision, by }) => ({ decision, by }))).toEqual(
      decisions.map(({ decision, decided_by: by }) => ({ decision, by })),
    );
    expect(decisions.length).toBeLessThanOrEqual(1);
    const standing = decisions[0];
    // Every ack that said "recorded" with a decision said the one that stands.
    for (const { answer } of this.acks) {
      if (answer.kind === 'voted') continue;
      expect({ by: answer.decision.by, decision: answer.decision.decision }).toEqual({
        by: standing?.decided_by,
        decision: standing?.decision,
      });
    }
    if (standing?.decision === 'approved') {
      // It runs exactly what was approved, and by as many as were needed of those who may.
      expect(row.arguments_hash).toBe(standing.arguments_hash);
      expect(argumentsHash(row.arguments)).toBe(standing.arguments_hash);
      await this.#checkApprovers(row, standing);
    }
    if (standing && standing.decision !== 'approved') expect(row.status).toMatch(/^(rejected|cancelled)$/);
    expect(frames.filter((frame) => frame.type === 'tool_result').length).toBeLessThanOrEqual(1);
    const { rows: audit } = await this.#db.query<{ action: string }>(
      'select action from approval_audit where tool_call_id = $1',
      [this.toolCallId],
    );
    const requests = frames.filter((frame) => frame.type === 'tool_approval_request');
    expect(audit.filter(({ action: done }) => done === 'asked')).toHaveLength(requests.length);
    expect(audit.filter(({ action: done }) => done === standing?.decision)).toHaveLength(standing ? 1 : 0);
  }

  async #checkApprovers(
    row: { round: number; level: number; terms: GateTerms },
    standing: { decided_by: string; arguments_hash: string },
  ): Promise<void> {
    if (standing.decided_by === 'operator') return;
    const { rows: votes } = await this.#db.query<{ user_id: string; arguments_hash: string }>(
      'select user_id, arguments_hash from votes where tool_call_id = $1 and round = $2',
      [this.toolCallId, row.round],
    );
    const needed = row.terms.levels[Math.min(row.level, row.terms.levels.length - 1)]?.needed ?? 1;
    const approvers = new Set([
      standing.decided_by,
      ...votes.filter((vote) => vote.arguments_hash === standing.arguments_hash).map((vote) => vote.user_id),
    ]);
    expect(approvers.size).toBeGreaterThanOrEqual(needed);
    // A level that needs fewer than those before was joined by somebody whom it asked.
    const isOf = ({ approvers: { users, roles: named, requester } }: GateTerms['levels'][number]) =>
      [...approvers].some((id) => {
        // Whom the rule names is let in as an approver.
        const role = people[id] ?? 'approver';
        if (id === 'alice' && !requester) return false;
        return users.includes(id) || named.includes(role);
      });
    const asked = row.terms.levels.slice(0, row.level + 1);
    expect(asked.some((one) => approvers.size >= one.needed && isOf(one))).toBe(true);
  }
}

/** The answer, or the code of the refusal. */
async function outcomeOf(work: Promise<Decided>): Promise<Decided | string> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof PublicError) return error.code;
    throw error;
  }
}

function withoutEvents(answer: Decided | string): unknown {
  return typeof answer === 'string' ? answer : { ...answer, events: undefined };
}

/** Whoever was acked before may be answered the same again. */
function isRepeat(acks: { verdict: Verdict }[], by: string): boolean {
  return acks.some(({ verdict }) => verdict.decidedBy === by);
}
