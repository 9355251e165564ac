/** Reading of JSON that others wrote, by hand: these run for every chunk of every stream. */
export function prop(value: unknown, key: string): unknown {
  if (value === null || typeof value !== 'object') return undefined;
  return (value as Record<string, unknown>)[key];
}

/** A string, or '' for everything else. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
