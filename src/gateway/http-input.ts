import { z } from 'zod';
import { PublicError } from '../protocol/errors.ts';
import { protoKeyFault } from '../protocol/text.ts';

export const pageLimit = z.coerce.number().int().min(1).max(200).default(50);
/** An id, or the `next` of a page of messages. */
const cursor = z
  .string()
  .max(64)
  .regex(/^[0-9a-z.-]+$/i, 'must be the "next" of an earlier page')
  .optional();
export const pageQuery = z.object({ limit: pageLimit, before: cursor });

/** @throws PublicError as {@link valid} does */
export function readQuery<T>(schema: z.ZodType<T>, call: { query: URLSearchParams }): T {
  return valid(schema, Object.fromEntries(call.query));
}

/** @throws PublicError `validation_error`, in words that say which field and why, and nothing else */
export function valid<T>(schema: z.ZodType<T>, value: unknown): T {
  const issue = issueOf(schema, value);
  if ('data' in issue) return issue.data;
  throw new PublicError('validation_error', issue.words);
}

function issueOf<T>(schema: z.ZodType<T>, value: unknown): { data: T } | { words: string } {
  try {
    const fault = protoKeyFault(value);
    if (fault !== null) return { words: fault };
    const parsed = schema.safeParse(value);
    if (parsed.success) return { data: parsed.data };
    const issue = parsed.error.issues[0];
    return { words: `Field "${issue?.path.join('.')}": ${issue?.message ?? 'invalid'}.` };
  } catch {
    // Whatever breaks the parser is the sender's fault: it ran out of stack.
    return { words: 'This cannot be read; it is nested too deeply.' };
  }
}
