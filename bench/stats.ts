/**
 * The value below which this part of the samples lies (nearest rank).
 * @param part 0.5 for the median, 0.99, 1 for the largest
 * @throws Error where there are no samples: a figure of nothing would look like a good one
 */
export function quantile(samples: number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
  if (value === undefined) throw new Error('There are no samples to make a figure of.');
  return value;
}

export interface Spread {
  samples: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export function spread(samples: number[]): Spread {
  const at = (part: number) => round(quantile(samples, part));
  return { samples: samples.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}
