import { z } from 'zod';
import { inputAction, inputKind } from './frame-parts.ts';
import { feedPlace, nextOlder } from './page.ts';

export const inputStatus = z.enum(['pending', 'resolved']);
export type InputStatus = z.infer<typeof inputStatus>;

/** A question that waits, or waited, for somebody's answer. */
export const inputView = z.object({
  request_id: z.string(),
  session_id: z.string(),
  session_title: z.string(),
  turn_id: z.string(),
  asked_by: z.string().describe('the user whose message led to it'),
  kind: inputKind,
  tool_call_id: z.string().nullable(),
  tool: z.string().nullable(),
  message: z.string(),
  schema: z.json().describe('JSON Schema of the `content` of an answer that accepts'),
  requested_at: z.int(),
  expires_at: z.int(),
  answer: z
    .object({ action: inputAction, by: z.string(), at: z.int(), content: z.json().optional() })
    .nullable()
    .describe('the one that stands; null while it is pending'),
});
export type InputView = z.infer<typeof inputView>;

export const inputsPage = z.object({
  inputs: z.array(inputView).describe('the one that was asked last comes first'),
  last_seq: feedPlace,
  next: nextOlder,
});
export type InputsPage = z.infer<typeof inputsPage>;
