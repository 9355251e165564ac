import { cleanText, cutAt } from '../protocol/text.ts';
import { misfitOf } from './schema-check.ts';

const sentenceChars = 600;

/**
 * Holds arguments against a tool's input schema.
 * @returns null where they fit, else one sentence that names the place, for whoever wrote the arguments; never throws
 */
export function checkArguments(
  schema: Record<string, unknown>,
  args: Record<string, unknown>,
): string | null {
  const misfit = misfitOf(schema, args, 'fast');
  if (misfit === null) return null;
  if ('fault' in misfit) {
    return sentence(`The arguments cannot be checked, because the schema of the tool ${misfit.fault}.`);
  }
  const place = misfit.place === '' ? '' : `at ${misfit.place} `;
  return sentence(`The arguments do not fit the tool: ${place}they ${misfit.words}.`);
}

/**
 * Holds the content of an answer against the schema of its question.
 * @returns null where it fits, else a sentence that says which field and why; never throws
 */
export function checkContent(schema: Record<string, unknown>, content: unknown): string | null {
  // What fits goes to whoever asked, and that may be a server that looks as closely.
  const misfit = misfitOf(schema, content, 'full');
  if (misfit === null) return null;
  if ('fault' in misfit) {
    return sentence(`Field "content" cannot be checked, because the schema of the question ${misfit.fault}.`);
  }
  return sentence(`Field "content${misfit.place.replaceAll('/', '.')}": ${misfit.words}.`);
}

function sentence(text: string): string {
  const clean = cleanText(text);
  return clean.length <= sentenceChars ? clean : `${clean.slice(0, cutAt(clean, sentenceChars - 1))}…`;
}
