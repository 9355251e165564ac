const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `90s`, `15m`, `12h` or `30d`.
 * @returns milliseconds; null where the text is none of these, or says no time at all
 */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const [amount, unit] = [Number(match?.[1]), unitMs[match?.[2] ?? '']];
  return unit === undefined || amount === 0 ? null : amount * unit;
}
