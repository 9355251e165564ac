import type { EffectLine } from './effect-line.ts';
import { hashOf } from './hash.ts';
import type { CallArguments, PlannedCall, ToolName } from './plan.ts';
import type { ToolsRecord } from './record.ts';

const argumentsOf = (nonce: string): CallArguments => ({ nonce, text: '', people: 1 });
const hashOfCall = (nonce: string) => hashOf(argumentsOf(nonce));

export function planned(nonce: string, tool: ToolName): PlannedCall {
  return {
    nonce,
    tool,
    arguments: argumentsOf(nonce),
    decision: 'approve',
    via: 'websocket',
    thinkMs: 0,
    outcome: 'happened',
    choice: 'red',
    fault: null,
  };
}

export function effect(id: string, key: string, nonce: string, tool: ToolName, when: number): EffectLine {
  return { id, tool, key, nonce, arguments: argumentsOf(nonce), attempt: 1, at: when, pid: 1 };
}

/** Of a call with keys that was made twice, one without whose result was lost, and one that was rejected. */
export function goodRecord(): ToolsRecord {
  const calls = [
    {
      id: 'c1',
      nonce: 'n1',
      tool: 'keyed',
      status: 'completed',
      attempt: 2,
      by: 'alice',
      decision: 'approved',
    },
    {
      id: 'c2',
      nonce: 'n2',
      tool: 'plain',
      status: 'unknown',
      attempt: 1,
      by: 'alice',
      decision: 'approved',
    },
    { id: 'c3', nonce: 'n3', tool: 'plain', status: 'rejected', attempt: 0, by: 'bob', decision: 'rejected' },
  ] as const;
  const events = calls.flatMap(({ id, status, by, decision }) => [
    { type: 'tool_approval_resolved', body: { tool_call_id: id, decision, by, at: 100 } },
    { type: 'tool_result', body: { tool_call_id: id, status } },
  ]);
  const stored = events.map((event, index) => ({ session_id: 's', seq: index + 1, ...event }));
  return {
    planned: calls.map(({ nonce, tool }) => planned(nonce, tool)),
    said: calls.map(({ id, nonce, by, decision }) => ({
      nonce,
      toolCallId: id,
      by,
      via: 'websocket' as const,
      approved: decision === 'approved',
      answer: { kind: 'recorded' as const, decision: { tool_call_id: id, decision, by, at: 100 } },
    })),
    effects: [
      effect('e1', 'c1', 'n1', 'keyed', 110),
      { ...effect('e2', 'c1', 'n1', 'keyed', 120), attempt: 2 },
      effect('e3', 'c2', 'n2', 'plain', 115),
    ],
    calls: calls.map(({ id, nonce, tool, status, attempt }) => ({
      id,
      session_id: 's',
      turn_id: 't',
      tool: `effects.${tool}`,
      arguments: argumentsOf(nonce),
      arguments_hash: hashOfCall(nonce),
      gate: 'ask',
      status,
      attempt,
      round: 1,
      error: null,
      grant_id: null,
      result: status === 'completed' ? 'e1' : null,
    })),
    decisions: calls.map(({ id, nonce, by, decision }) => ({
      tool_call_id: id,
      round: 1,
      arguments_hash: hashOfCall(nonce),
      decision,
      decided_by: by,
      decided_at: 100,
      acted_at: 105,
    })),
    votes: [],
    grants: [],
    audit: calls.map(({ id, by, decision }) => ({ tool_call_id: id, actor: by, action: decision })),
    questions: [
      {
        id: 'q',
        tool_call_id: 'c2',
        kind: 'unknown_outcome',
        action: 'accept',
        content: { outcome: 'happened' },
        answered_by: 'alice',
        answered_at: 130,
        acted_at: 131,
      },
    ],
    answered: [
      {
        requestId: 'q',
        nonce: 'n2',
        by: 'alice',
        content: { outcome: 'happened' },
        told: { kind: 'recorded', action: 'accept', by: 'alice' },
      },
    ],
    turns: [{ id: 't', session_id: 's', status: 'completed', error: null }],
    events: stored,
    logs: [
      { who: 'alice', sessionId: 's', events: stored.map(({ seq, type }) => `${seq} ${type}`), faults: [] },
    ],
    stuck: [],
    died: [],
  };
}
