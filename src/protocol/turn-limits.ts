/** What is counted of a turn, and of all turns of a user on one day (UTC). */
export const limitNames = ['steps', 'tool_calls', 'tokens', 'cost', 'wall_time_ms'] as const;
export type LimitName = (typeof limitNames)[number];

/** Of each, how much there may be before a person is asked; what is not there has no bound. */
export type Bounds = { [name in LimitName]?: number | undefined };

/** How much there was. */
export type Use = Record<LimitName, number>;

/** Of a model, in whatever currency the limits are. */
export interface Price {
  inputPerMillion: number;
  outputPerMillion: number;
}

/** The limits of a deployment, at which a turn pauses and asks. */
export interface TurnLimits {
  turn: Bounds & { steps: number };
  userDay: Bounds;
  /** Beyond which nobody may let a turn go; nowhere, where there are none. */
  atMost?: { turn: Bounds; userDay: Bounds };
  /** By the model's name; `*` is any other. */
  prices: ReadonlyMap<string, Price>;
}

/** Of which a limit is. */
export type LimitScope = 'turn' | 'user_day';

/** @returns undefined where the model has none */
export function priceOf(limits: TurnLimits, model: string): Price | undefined {
  return limits.prices.get(model) ?? limits.prices.get('*');
}

/** Whether costs are bounded: then every model needs a price. */
export function boundsCost(limits: TurnLimits): boolean {
  return limits.turn.cost !== undefined || limits.userDay.cost !== undefined;
}

/** Limits where nothing but the steps of a turn is bounded. */
export function onlySteps(steps: number): TurnLimits {
  return { turn: { steps }, userDay: {}, prices: new Map() };
}
