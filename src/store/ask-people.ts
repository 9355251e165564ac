import { v7 as uuidv7 } from 'uuid';
import { approversAmong, levelAt, namedApprovers, whyUndecidable } from '../gate/approvers.ts';
import { termsHash } from '../gate/hashes.ts';
import type { AskedAgain, Participant } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { limits } from '../protocol/limits.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import { writeAudit } from './approval-audit.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { readParticipants } from './participants.ts';
import type { GateTimes } from './step-call.ts';

/** A call about which people are to be asked, as it waits then. */
export interface Asking {
  toolCallId: string;
  sessionId: string;
  turnId: string;
  requesterId: string;
  tool: string;
  arguments: Record<string, unknown>;
  argumentsHash: string;
  toolHash: string | null;
  reason: string;
  terms: GateTerms;
  policyRevision: string | null;
  /** How long a level waits whose rule does not say it. */
  timeoutMs: number;
  round: number;
  level: number;
  because?: AskedAgain | undefined;
}

/**
 * Lets a call wait for people: writes what waits into its row, and the event that asks them. Users whom the rule names
 * become participants, because who is asked has to see what it is about. The caller holds the session's lock.
 */
export async function askPeople(tx: Tx, asking: Asking): Promise<{ gate: GateTimes; events: NewEvent[] }> {
  const { terms, level, round, requesterId, toolCallId } = asking;
  const { participants, events } = await seatNamed(tx, asking);
  const { needed, timeoutMs, remindEveryMs } = levelAt(terms, level);
  const times = await writeGate(tx, asking, timeoutMs ?? asking.timeoutMs, remindEveryMs);
  const approvers = approversAmong({ terms, level, requesterId }, participants);
  const gate = { approvers, needed, level, round, ...times };
  await writeAudit(tx, {
    sessionId: asking.sessionId,
    toolCallId,
    actor: 'turngate',
    via: 'policy',
    action: 'asked',
    body: {
      round,
      level,
      rule: terms.rule,
      policy_revision: asking.policyRevision,
      because: asking.because,
      arguments_hash: asking.argumentsHash,
      tool_hash: asking.toolHash,
      approvers,
      needed,
    },
  });
  // Not in the row: it is true now, and somebody may be let in.
  const undecidable = whyUndecidable({ terms, level, requesterId }, participants);
  const reason = undecidable === null ? asking.reason : `${asking.reason} ${undecidable}`;
  return { gate, events: [...events, requestEvent({ ...asking, reason }, gate)] };
}

async function writeGate(
  tx: Tx,
  asking: Asking,
  timeoutMs: number,
  remindEveryMs: number | null,
): Promise<{ expiresAt: number; dueInMs: number }> {
  const { rows } = await tx.query<{ expires_at: number; due_in_ms: number }>({
    name: 'write-gate',
    text: `update tool_calls set status = 'waiting', gate = 'ask', rule = $2, reason = $3, arguments = $4,
             arguments_hash = $5, tool_hash = $6, terms = $7, terms_hash = $8, policy_revision = $9, round = $10,
             level = $11, reminded = 0, grant_id = null,
             expires_at = now() + $12::bigint * interval '1 millisecond',
             remind_at = now() + $13::bigint * interval '1 millisecond'
           where id = $1
           returning expires_at, least($12::bigint, $13::bigint) as due_in_ms`,
    values: [
      asking.toolCallId,
      asking.terms.rule,
      asking.reason,
      JSON.stringify(asking.arguments),
      asking.argumentsHash,
      asking.toolHash,
      JSON.stringify(asking.terms),
      termsHash(asking.terms),
      asking.policyRevision,
      asking.round,
      asking.level,
      timeoutMs,
      remindEveryMs,
    ],
  });
  return { expiresAt: rows[0]?.expires_at ?? 0, dueInMs: rows[0]?.due_in_ms ?? timeoutMs };
}

/** Whom the rule names and who could not decide yet takes part as `approver` from now on. */
async function seatNamed(
  tx: Tx,
  asking: Asking,
): Promise<{ participants: Participant[]; events: NewEvent[] }> {
  const { sessionId } = asking;
  const present = await readParticipants(tx, sessionId);
  const roles = new Map(present.map(({ user_id, role }) => [user_id, role]));
  const wanted = namedApprovers(asking.terms, asking.level).filter(
    (userId) => !roles.has(userId) || roles.get(userId) === 'viewer',
  );
  const room = limits.participantsPerSession - present.length;
  const seated = wanted.filter((userId, index) => roles.has(userId) || index < room);
  if (seated.length === 0) return { participants: present, events: [] };
  await tx.query({
    name: 'seat-approvers',
    text: `insert into participants (session_id, user_id, role) select $1, u, 'approver' from unnest($2::text[]) u
           on conflict (session_id, user_id) do update set role = 'approver'`,
    values: [sessionId, seated],
  });
  for (const userId of seated) roles.set(userId, 'approver');
  const participants = [...roles].map(([user_id, role]) => ({ user_id, role }));
  const event: NewEvent = {
    key: `session_updated:${uuidv7()}`,
    type: 'session_updated',
    body: { participants },
  };
  return { participants, events: [event] };
}

function requestEvent(asking: Asking, gate: GateTimes): NewEvent {
  const { toolCallId, toolHash, because, round, level } = asking;
  return {
    key: `approval_request:${toolCallId}:${round}:${level}`,
    type: 'tool_approval_request',
    turnId: asking.turnId,
    body: {
      tool_call_id: toolCallId,
      tool: asking.tool,
      arguments: asking.arguments as EventBody<'tool_approval_request'>['arguments'],
      arguments_hash: asking.argumentsHash,
      ...(toolHash === null ? {} : { tool_hash: toolHash }),
      rule: asking.terms.rule,
      reason: asking.reason,
      expires_at: gate.expiresAt,
      approvers: gate.approvers,
      needed: gate.needed,
      round,
      level,
      ...(because === undefined ? {} : { because }),
    },
  };
}
