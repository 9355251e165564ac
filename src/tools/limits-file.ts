import { parse } from 'yaml';
import { z } from 'zod';
import { parseDurationMs } from '../protocol/duration.ts';
import { errorText } from '../protocol/error-text.ts';
import { type Bounds, limitNames, type TurnLimits } from '../protocol/turn-limits.ts';

/** Above this a number is a slip, and sums of it would no longer be exact. */
const countMax = 1_000_000_000_000;
const modelsMax = 1_000;

const count = z.int('must be a whole number').min(1, 'must be at least 1').max(countMax);
const amount = z.number('must be a number').positive('must be more than 0').max(countMax);
const price = z.number('must be a number').nonnegative('must not be negative').max(countMax);
const duration = z.string('must be a time such as `90s`, `30m`, `2h` or `1d`').transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms === null) context.addIssue('must be a time such as `90s`, `30m`, `2h` or `1d`');
  return ms ?? z.NEVER;
});

// Strict, because a misspelt limit that is silently ignored bounds nothing.
const bounds = z.strictObject({
  steps: count.optional(),
  tool_calls: count.optional(),
  tokens: count.optional(),
  cost: amount.optional(),
  wall_time: duration.optional(),
});

const limitsFile = z
  .strictObject({
    turn: bounds.nullish(),
    user_day: bounds.nullish(),
    at_most: z.strictObject({ turn: bounds.nullish(), user_day: bounds.nullish() }).nullish(),
    prices: z
      .record(
        z.string().min(1).max(200),
        z.strictObject({ input_per_million: price, output_per_million: price }),
      )
      .refine(
        (prices) => Object.keys(prices).length <= modelsMax,
        `must not name more than ${modelsMax} models`,
      )
      .nullish(),
  })
  .nullable();

/**
 * Reads the limits out of a file's text.
 * @param about.maxSteps the steps of a turn where the file says none
 * @throws Error with one sentence that names the file and each field that is wrong
 */
export function parseLimits(text: string, about: { file: string; maxSteps: number }): TurnLimits {
  const { file, maxSteps } = about;
  const parsed = limitsFile.safeParse(parseYaml(file, text));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const field = issue.path.length > 0 ? issue.path.join('.') : 'the file';
      return `${field}: ${issue.message}`;
    });
    throw new Error(`The limits in ${file} are not usable: ${faults.join('; ')}.`);
  }
  const { turn, user_day, at_most, prices } = parsed.data ?? {};
  const limits = {
    turn: { ...toBounds(turn), steps: turn?.steps ?? maxSteps },
    userDay: toBounds(user_day),
    ...(at_most ? { atMost: { turn: toBounds(at_most.turn), userDay: toBounds(at_most.user_day) } } : {}),
    prices: new Map(
      Object.entries(prices ?? {}).map(([model, { input_per_million, output_per_million }]) => [
        model,
        { inputPerMillion: input_per_million, outputPerMillion: output_per_million },
      ]),
    ),
  };
  const fault = atMostFault(limits);
  if (fault !== null) throw new Error(`The limits in ${file} are not usable: ${fault}.`);
  const costs = limits.turn.cost ?? limits.userDay.cost;
  if (costs !== undefined && limits.prices.size === 0) {
    throw new Error(
      `The limits in ${file} are not usable: they bound the cost, but \`prices\` names no model, so nothing would cost anything.`,
    );
  }
  return limits;
}

/** What nobody may let a turn go beyond stands above a limit at which people are asked. */
function atMostFault({ turn, userDay, atMost }: TurnLimits): string | null {
  const pairs = [
    ['turn', turn, atMost?.turn],
    ['user_day', userDay, atMost?.userDay],
  ] as const;
  for (const [scope, asking, most] of pairs) {
    for (const name of limitNames) {
      const [limit, end] = [asking[name], most?.[name]];
      const field = `${scope}.${name.replace(/_ms$/, '')}`;
      if (end === undefined) continue;
      if (limit === undefined) return `at_most.${field}: needs ${field}, at which people are asked before`;
      if (limit > end) return `at_most.${field}: must not be less than ${field}, at which people are asked`;
    }
  }
  return null;
}

function toBounds(given: z.infer<typeof bounds> | null | undefined): Bounds {
  const { wall_time, ...rest } = given ?? {};
  return { ...rest, ...(wall_time === undefined ? {} : { wall_time_ms: wall_time }) };
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`The limits in ${file} are not valid YAML: ${errorText(error)}`, { cause: error });
  }
}
