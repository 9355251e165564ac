import { z } from 'zod';

/** What the bench's model is to say; the user's message is this, as JSON. */
export const modelTask = z.strictObject({
  tokens: z.int().min(1).max(100_000),
  /** From one token to the next; 0 is full speed. */
  everyMs: z.number().min(0).max(10_000),
  /** The time it takes to begin. */
  firstMs: z.number().min(0).max(10_000),
  /** Whether it asks for the bench's tool first, and says its tokens when that has a result. */
  tool: z.boolean().optional(),
});
export type ModelTask = z.infer<typeof modelTask>;

/**
 * Stamps in the answer to a task: the request's arrival at the model, then one a token, each taken just before
 * the token is written. The first two travel in the first chunk.
 */
export const arrivalStamps = 1;
