import { z } from 'zod';
import { rememberScope } from '../protocol/client-frames.ts';
import { parseDurationMs } from '../protocol/duration.ts';
import { isPointer } from './json-pointer.ts';
import { argumentCondition } from './policy-condition.ts';

/** Ids that decisions carry where no rule of the file decided. */
const reservedRules = [
  'no-rule',
  'unknown-tool',
  'policy-broken',
  'invalid-arguments',
  'tool-given-up',
  'too-many-calls',
];

const name = z.string().min(1).max(256);
/** One, or a list of them. */
const list = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(1_000));

const ruleId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be at most 64 of a-z, 0-9, "-" and "_", a letter or digit first')
  .refine((id) => !reservedRules.includes(id), 'is what decisions say that no rule made; choose another');

const toolPattern = z
  .string()
  .max(256)
  .regex(
    /^(\*|[A-Za-z0-9_-]+\..+|\*\..+)$/,
    'must be `server.tool`, `server.*`, `*.tool` or `*` (or `tool`, where mcp.json names a defaultServer); in the tool, `*` and `?` stand for other characters',
  );

const duration = z
  .string()
  .transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms !== null) return ms;
    context.addIssue('must be a number and s, m, h or d, such as 4h or 2d');
    return z.NEVER;
  })
  .refine((ms) => ms <= 365 * 86_400_000, 'must be at most 365d');

const approvers = z.strictObject({
  /** Who may decide at all; viewers may not. */
  roles: list(z.enum(['owner', 'member', 'approver'])).optional(),
  users: list(name).optional(),
  requester: z.boolean().optional(),
});

const needed = z.int().min(1).max(100);
const laterLevel = z.strictObject({
  approvers: approvers.optional(),
  needed: needed.optional(),
  timeout: duration,
  remind_every: duration.optional(),
});

export const ruleSchema = z.strictObject({
  id: ruleId,
  tool: list(toolPattern).optional(),
  server: list(name).optional(),
  annotations: z
    .strictObject({
      read_only: z.boolean().optional(),
      idempotent: z.boolean().optional(),
      destructive: z.boolean().optional(),
    })
    .optional(),
  arguments: z
    .record(
      z.string().refine(isPointer, 'must be a JSON pointer such as /to or /items/0/price'),
      argumentCondition,
    )
    .optional(),
  user: list(name).optional(),
  role: list(z.enum(['owner', 'member', 'approver', 'viewer'])).optional(),
  agent: list(name).optional(),
  tenant: list(name).optional(),
  decide: z.enum(['allow', 'ask', 'deny']),
  reason: z.string().min(1).max(1_000).optional(),
  approvers: approvers.optional(),
  needed: needed.optional(),
  timeout: duration.optional(),
  remind_every: duration.optional(),
  on_timeout: z
    .preprocess(
      (value) => (value === 'reject' ? { escalate: [] } : value),
      z.strictObject(
        { escalate: z.array(laterLevel).max(10) },
        'must be `reject`, or `escalate:` with a list of { approvers, needed, timeout, remind_every }',
      ),
    )
    .optional(),
  remember: rememberScope.optional(),
});
export type RuleSource = z.infer<typeof ruleSchema>;
export type ApproversSource = z.infer<typeof approvers>;

/** The file but for its rules, each of which is looked at by itself, so that every fault is told at once. */
export const fileSchema = z.strictObject({
  trusted_servers: z.array(name).max(1_000).default([]),
  rules: z.array(z.unknown()).min(1, 'needs at least one rule; without any, nothing could run').max(1_000),
});
