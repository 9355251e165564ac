import type { LimitName, LimitScope } from '../protocol/turn-limits.ts';

/** How many times the limit an answer may allow at once: more is a slip. */
const moreTimesMax = 10;
const minuteMs = 60_000;
const smallestCost = 0.01;

/** A limit that was reached. */
export interface Reached {
  scope: LimitScope;
  name: LimitName;
  userId: string;
  /** As it is configured, and as much as there is so far. */
  limit: number;
  used: number;
  /** Beyond which nobody may let it go; infinite where there is no such bound. */
  most: number;
}

/** Of one, and of several. */
const things: Record<LimitName, [one: string, several: string]> = {
  steps: ['step', 'steps'],
  tool_calls: ['tool call', 'tool calls'],
  tokens: ['token', 'tokens'],
  cost: ['cost', 'cost'],
  wall_time_ms: ['minute of work', 'minutes of work'],
};

/** What people are asked, and how an answer that lets the turn go on looks: `{ "more": 25 }`. */
export function limitQuestion(reached: Reached): { message: string; schema: Record<string, unknown> } {
  const { name, limit, used, most } = reached;
  const [whose, goOn] =
    reached.scope === 'turn'
      ? ['This turn has reached its limit', 'it']
      : [`The turns of ${reached.userId} have reached today's limit (UTC)`, 'this one'];
  const [, thing] = things[name];
  const maximum = Math.min(inUnit(name, limit) * moreTimesMax, inUnit(name, most - used));
  const usual = Math.min(inUnit(name, limit), maximum);
  const more = {
    type: name === 'cost' ? 'number' : 'integer',
    title: `how ${name === 'cost' ? 'much' : 'many'} more ${thing}`,
    minimum: name === 'cost' ? Math.min(smallestCost, usual) : 1,
    maximum,
    default: usual,
  };
  return {
    message: `${whose} of ${amount(name, limit)} (${amount(name, used)} so far). May ${goOn} go on, and with ${more.title}?`,
    schema: { type: 'object', properties: { more }, required: ['more'], additionalProperties: false },
  };
}

/** What was allowed, in the limit's own unit; 0 where the answer says nothing that can be understood. */
export function moreIn(name: LimitName, content: unknown): number {
  const more = content !== null && typeof content === 'object' && 'more' in content ? content.more : 0;
  if (typeof more !== 'number' || !Number.isFinite(more) || more <= 0) return 0;
  return name === 'wall_time_ms' ? more * minuteMs : more;
}

/** Why a turn ended at a limit. */
export function limitError(name: LimitName, scope: LimitScope, by: string): string {
  const limit = `${scope === 'turn' ? 'its limit' : "the limit of its user's day"} of ${things[name][1]}`;
  const who = by === 'turngate' ? 'nobody let it go on in time' : `${by} did not let it go on`;
  return `The turn reached ${limit}, and ${who}.`;
}

/** Why a turn ended where nobody could have let it go on. */
export function mostError({ name, scope, most, userId }: Reached): string {
  const whose = scope === 'turn' ? 'A turn may have' : `The turns of ${userId} may have`;
  const when = scope === 'turn' ? '' : ' on one day (UTC)';
  return `${whose} ${amount(name, most)}${when}, and nobody may let it go on beyond that (\`at_most\` of the limits).`;
}

/** In what people are asked for: times in minutes. */
function inUnit(name: LimitName, limit: number): number {
  return name === 'wall_time_ms' ? Math.max(1, Math.ceil(limit / minuteMs)) : limit;
}

function amount(name: LimitName, value: number): string {
  if (name === 'cost') return `${plain(value, 4)} in cost`;
  const shown = name === 'wall_time_ms' ? plain(value / minuteMs, 1) : plain(value, 0);
  return `${shown} ${things[name][shown === '1' ? 0 : 1]}`;
}

function plain(value: number, digits: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
