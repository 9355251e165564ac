/** Controls, marks that turn the order of text around, and what has no width: what a reader does not see. */
const unseen = /(?![\t\n])[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/**
 * A value as JSON for a person who decides by it. What could not be seen is written as its escape: it is the same
 * value still, also when it is read again after an edit.
 */
export function shownJson(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? 'null').replace(unseen, escaped);
}

/** Whether a reader sees all of a text. */
export function isAllSeen(text: string): boolean {
  return text.search(unseen) < 0;
}

function escaped(char: string): string {
  const units = Array.from({ length: char.length }, (_, index) => char.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
