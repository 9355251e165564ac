import { z } from 'zod';
import { limits } from './limits.ts';
import { jsonDepth } from './text.ts';

/**
 * Any JSON value, of what was parsed as JSON. `z.json()` would look at each part of it once more, which takes 70 ms for a
 * frame full of small ones.
 */
export const givenJson = z.unknown().refine((value) => jsonDepth(value) <= limits.jsonDepth, {
  error: `is nested deeper than ${limits.jsonDepth}`,
  abort: true,
}) as unknown as z.ZodType<z.core.util.JSONType>;
