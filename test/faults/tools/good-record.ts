import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { EffectLine } from './effect-line.ts';
import type { PlannedCall } from './plan.ts';
import type { ToolsRecord } from './record.ts';

const argumentsOf = (nonce: string) => ({ nonce, text: '' });
const hashOf = (nonce: string) =>
  createHash('sha256')
    .update(String(canonicalize(argumentsOf(nonce))))
    .digest('hex');

export function planned(nonce: string, tool: 'keyed' | 'plain'): PlannedCall {
  return {
    nonce,
    tool,
    arguments: argumentsOf(nonce),
    decision: 'approve',
    via: 'websocket',
    thinkMs: 0,
    fault: null,
  };
}

export function effect(
  id: string,
  key: string,
  nonce: string,
  tool: 'keyed' | 'plain',
  when: number,
): EffectLine {
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
      arguments_hash: hashOf(nonce),
      gate: 'ask',
      status,
      attempt,
      result: status === 'completed' ? 'e1' : null,
    })),
    decisions: calls.map(({ id, nonce, by, decision }) => ({
      tool_call_id: id,
      arguments_hash: hashOf(nonce),
      decision,
      decided_by: by,
      decided_at: 100,
      acted_at: 105,
    })),
    turns: [{ id: 't', session_id: 's', status: 'completed', error: null }],
    events: stored,
    logs: [
      { who: 'alice', sessionId: 's', events: stored.map(({ seq, type }) => `${seq} ${type}`), faults: [] },
    ],
    stuck: [],
    died: [],
  };
}
