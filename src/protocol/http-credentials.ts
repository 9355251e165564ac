import { z } from 'zod';
import { isCleanText } from './text.ts';

const name = z.string().min(1).max(200).refine(isCleanText, 'contains NUL or a lone surrogate');

export const createTicketBody = z.object({
  session_id: name.optional().describe('the only session that it opens, as it stands in the path'),
});
export const ticketView = z.object({
  ticket: z.string().describe('goes into the query `ticket`'),
  expires_at: z.int().describe('milliseconds since 1970'),
});

export const revocationBody = z.object({
  token_id: name.optional().describe('the `jti`; without it and `user_id` the token that this is sent with'),
  user_id: name.optional().describe('all tokens of this user that were issued before now'),
  expires_at: z
    .int()
    .nonnegative()
    .optional()
    .describe(
      'when the token of `token_id` ends anyway, milliseconds since 1970; without it remembered for ever',
    ),
});
export const revocationView = z.object({
  token_id: z.string().optional(),
  user_id: z.string().optional(),
  issued_before: z.int().optional(),
});
