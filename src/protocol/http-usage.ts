import { z } from 'zod';

const bounds = z.object({
  steps: z.int().optional(),
  tool_calls: z.int().optional(),
  tokens: z.int().optional(),
  cost: z.number().optional(),
  wall_time_ms: z.int().optional(),
});

/** What somebody has used today, and what they may. */
export const usageView = z.object({
  day: z.string().describe('YYYY-MM-DD, of UTC'),
  ends_at: z.int().describe('when the day ends, milliseconds since 1970'),
  used: z.object({
    steps: z.int(),
    tool_calls: z.int(),
    tokens: z.int().describe('in and out together'),
    input_tokens: z.int(),
    output_tokens: z.int(),
    cost: z.number().describe('in the currency of the prices; of models that have one'),
    unpriced_tokens: z.int().describe('of models without a price'),
    wall_time_ms: z.int(),
  }),
  limits: z.object({
    turn: bounds.describe('of each turn; what is not there is not limited'),
    user_day: bounds.describe('of all your turns today'),
  }),
  allowed: bounds.describe('what people allowed above the limits of the day'),
});
export type UsageView = z.infer<typeof usageView>;
