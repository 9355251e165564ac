import { z } from 'zod';
import { givenJson } from './given-json.ts';
import { limits } from './limits.ts';
import { isCleanJson, isCleanText } from './text.ts';

const text = z
  .string()
  .min(1)
  .refine(isCleanText, 'contains NUL or a lone surrogate, which no store can keep');

/** What a backend tells all sessions of a user. */
export const externalEventBody = z.object({
  id: text
    .max(limits.clientIdChars)
    .optional()
    .describe('names the event: sending it again with the same id delivers it once'),
  event_type: text.max(limits.eventTypeChars),
  event_data: givenJson
    .refine(isCleanJson, 'contains NUL or a lone surrogate, which no store can keep')
    .refine((data) => JSON.stringify(data).length <= limits.eventDataChars, {
      error: `is longer than ${limits.eventDataChars} characters as JSON`,
    }),
});

export const externalEventAnswer = z.object({
  event_id: z.string(),
  sessions: z.int().nonnegative().describe('sessions that have the event now, also from an earlier request'),
  skipped: z
    .boolean()
    .describe(`whether the user has more open sessions: the newest ${limits.externalEventSessions} got it`),
});
export type ExternalEventAnswer = z.infer<typeof externalEventAnswer>;
