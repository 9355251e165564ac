import { z } from 'zod';
import { limits } from './limits.ts';
import { jsonMisfit } from './text.ts';

const misfitOf = (value: unknown) => jsonMisfit(value, limits.jsonDepth);
const words = {
  depth: `is nested deeper than ${limits.jsonDepth}`,
  number: 'holds a number that is too large',
};

/**
 * Any JSON value, of what was parsed as JSON. `z.json()` would look at each part of it once more, which takes 70 ms for a
 * frame full of small ones.
 */
export const givenJson = z.unknown().refine((value) => misfitOf(value) === null, {
  error: ({ input }) => words[misfitOf(input) ?? 'depth'],
  abort: true,
}) as unknown as z.ZodType<z.core.util.JSONType>;
