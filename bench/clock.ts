/** Milliseconds of the machine's monotonic clock: one clock for all processes of a host, and nobody sets it. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Characters of a stamp; fixed, so that a text of stamps can be read however it was cut. */
export const stampChars = 17;

/** A time to the microsecond, as text. */
export function stampOf(timeMs: number): string {
  return `${timeMs.toFixed(3).padStart(stampChars - 1, '0')} `;
}

export function stamp(): string {
  return stampOf(nowMs());
}

/** The stamp at this place of a text of stamps, in milliseconds. */
export function stampAt(text: string, index: number): number {
  return Number(text.slice(index * stampChars, (index + 1) * stampChars));
}
