import { z } from 'zod';
import { attachmentRef, participant, participantRole } from './frame-parts.ts';
import { limits } from './limits.ts';
import { standingDecision, standingInput } from './live-frames.ts';
import { onBusy } from './on-busy.ts';
import { nextEvents, nextOlder } from './page.ts';
import { eventFrame } from './server-frames.ts';
import { invisibleFault, isCleanText, isVisibleName } from './text.ts';

const clean = z.string().refine(isCleanText, 'contains NUL or a lone surrogate');
const title = clean.max(limits.titleChars);
const userId = clean.min(1).max(200);

const invisibleName = `a user id ${invisibleFault}`;
/** Whoever was let in before this was looked at can still be sent away. */
function areNamesVisible(people: Record<string, string | null>): boolean {
  return Object.entries(people).every(([id, role]) => role === null || isVisibleName(id));
}

export const createSessionBody = z.object({
  id: clean
    .min(1)
    .max(limits.clientIdChars)
    .optional()
    .describe(
      'your own name for it: sending it again answers the session that has it, and makes no second one',
    ),
  title: title.optional(),
  agent: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be the name of an agent; GET /v1/agents tells them')
    .optional()
    .describe('by its name, as `GET /v1/agents` tells it; `default` where not given'),
  config: z
    .object({
      model: z.string().min(1).max(200).refine(isCleanText).optional(),
      on_busy: onBusy.optional(),
      approval_timeout_ms: z
        .int()
        .min(1_000)
        .max(365 * 24 * 3_600_000)
        .optional(),
    })
    .optional(),
  participants: z
    .record(userId, participantRole)
    .refine(areNamesVisible, invisibleName)
    .refine((people) => Object.keys(people).length < limits.participantsPerSession, 'too many')
    .optional()
    .describe('others and their roles, by user id; you are an owner'),
});
export type CreateSessionBody = z.infer<typeof createSessionBody>;

/** A merge patch: what is not there stays, a participant that is null leaves. */
export const sessionChange = z.object({
  title: title.optional(),
  state: z.enum(['active', 'closed'], { error: 'must be "closed", or "active" to open it again' }).optional(),
  participants: z
    .record(userId, participantRole.nullable())
    .refine((people) => Object.keys(people).length <= limits.participantsPerSession, 'too many at once')
    .refine(areNamesVisible, invisibleName)
    .optional(),
  config: z.object({ on_busy: onBusy.optional() }).optional(),
});
export type SessionChange = z.infer<typeof sessionChange>;

export const sessionView = z.object({
  id: z.string(),
  title: z.string(),
  agent: z.string(),
  state: z.enum(['active', 'suspended', 'closed']),
  last_seq: z.int().nonnegative(),
  created_at: z.int(),
  updated_at: z.int(),
  role: participantRole.optional().describe('yours'),
  participants: z.array(participant).optional().describe('where one session is read'),
  config: z.object({ on_busy: onBusy.optional() }).optional().describe('where one session is read'),
});
export type SessionView = z.infer<typeof sessionView>;

export const sessionsPage = z.object({
  sessions: z.array(sessionView),
  next: nextOlder,
});
export type SessionsPage = z.infer<typeof sessionsPage>;

export const agentsView = z.object({
  agents: z.array(z.object({ name: z.string(), description: z.string().optional() })),
});
export type AgentSummary = z.infer<typeof agentsView>['agents'][number];

export const toolCallView = z.object({
  tool_call_id: z.string(),
  tool: z.string(),
  arguments: z.json(),
  gate: z.enum(['allow', 'ask', 'deny']),
  reason: z.string(),
  status: z.string(),
});

export const messageView = z.object({
  id: z.string(),
  turn_id: z.string(),
  role: z.enum(['user', 'assistant', 'tool']),
  content: z.string(),
  thought: z.string().optional(),
  attachments: z.array(attachmentRef).optional().describe('of a user, where there are any'),
  tool_call_id: z.string().optional(),
  tool_calls: z.array(toolCallView).optional(),
  client_message_id: z.string().optional(),
  finish_reason: z.string().optional().describe("of an assistant's message: the model's, or `cancelled`"),
  ts: z.int(),
});
export type MessageView = z.infer<typeof messageView>;

export const messagesPage = z.object({
  messages: z.array(messageView),
  last_seq: z.int().nonnegative(),
  next: nextOlder,
});
export type MessagesPage = z.infer<typeof messagesPage>;

export const eventsPage = z.object({
  events: z.array(eventFrame).describe('those that the caller may see'),
  last_seq: z.int().nonnegative().describe('where the session is'),
  next: nextEvents,
  resync: z
    .object({ reason: z.string(), last_seq: z.int().nonnegative() })
    .optional()
    .describe('events after `after` are no longer kept; those here begin after `last_seq`'),
});
export type EventsPage = z.infer<typeof eventsPage>;

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  decision: standingDecision.optional().describe('the one that stands, where yours came too late'),
  input: standingInput.optional().describe('the answer that stands, where yours came too late'),
});

export const healthAnswer = z.object({ status: z.literal('ok') });
export const readyAnswer = z.object({
  status: z.enum(['ready', 'not ready']),
  checks: z.object({
    store: z.boolean(),
    temporal: z.boolean(),
    live: z.boolean(),
    draining: z.boolean(),
  }),
});
