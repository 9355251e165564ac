import { z } from 'zod';
import { PublicError } from '../protocol/errors.ts';

export const pageLimit = z.coerce.number().int().min(1).max(200).default(50);
/** An id, or the `next` of a page of messages. */
const cursor = z
  .string()
  .max(64)
  .regex(/^[0-9a-z.-]+$/i, 'must be the "next" of an earlier page')
  .optional();
export const pageQuery = z.object({ limit: pageLimit, before: cursor });

/** @throws PublicError `validation_error`, in words that say which field and why */
export function valid<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new PublicError(
    'validation_error',
    `Field "${issue?.path.join('.')}": ${issue?.message ?? 'invalid'}.`,
  );
}
