/** When a delivery that failed is tried again. All in milliseconds. */
export interface RetrySchedule {
  firstMs: number;
  factor: number;
  maxMs: number;
  /** Of each delay, up to this share more or less. */
  jitter: number;
}

/** 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, then every 4 h: some eleven attempts a day. */
export const retrySchedule: RetrySchedule = {
  firstMs: 5_000,
  factor: 4,
  maxMs: 4 * 3_600_000,
  jitter: 0.2,
};

/** @param attempt the one that failed, from 1 */
export function retryDelayMs(attempt: number, schedule: RetrySchedule, random: () => number): number {
  const base = Math.min(schedule.firstMs * schedule.factor ** (attempt - 1), schedule.maxMs);
  return Math.round(base * (1 + schedule.jitter * (2 * random() - 1)));
}

/** A receiver that asks to be left alone for longer than this is asked again after it. */
const maxRetryAfterMs = 3_600_000;

/** What `Retry-After` says, as milliseconds from `now`; null where it says nothing that can be read. */
export function retryAfterMs(header: string | null, now: number): number | null {
  const text = header?.trim() ?? '';
  if (text === '') return null;
  const at = /^\d{1,9}$/.test(text) ? now + Number(text) * 1_000 : Date.parse(text);
  return Number.isNaN(at) ? null : Math.min(Math.max(at - now, 0), maxRetryAfterMs);
}
