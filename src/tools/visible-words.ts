/** Without what a person does not see and a model reads: control, format and private characters. */
export function visible(text: string): string {
  return text.replaceAll(/(?![\n\t])[\p{Cc}\p{Cf}\p{Co}]/gu, '');
}

/** The same for the words in a schema; its other strings are values, which stay as they are. */
export function visibleSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(visibleSchema);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const isWords = (key === 'description' || key === 'title') && typeof item === 'string';
      return [key, isWords ? visible(item) : visibleSchema(item)];
    }),
  );
}
