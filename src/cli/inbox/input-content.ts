import { CommandFailure } from './failure.ts';
import { jsonArgument } from './json-argument.ts';

interface FieldSchema {
  type?: unknown;
}

/**
 * What an answer says: `--content` as JSON, or `--set field=value`, each value read as the schema's type of it. The
 * gateway holds it against the schema.
 * @throws CommandFailure where neither is given and the schema asks for something
 */
export function contentOf(
  schema: unknown,
  options: { content?: string; set?: string[] },
): Record<string, unknown> {
  if (options.content !== undefined) return jsonArgument('--content', options.content);
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, FieldSchema>;
    required?: string[];
  };
  if (options.set === undefined && required.length > 0) {
    throw new CommandFailure(
      'failed',
      `The answer needs ${required.join(', ')}: give --set ${required[0]}=..., --content, --decline or --cancel.`,
    );
  }
  return Object.fromEntries((options.set ?? []).map((one) => field(one, properties)));
}

function field(text: string, properties: Record<string, FieldSchema>): [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) throw new CommandFailure('failed', `--set got "${text}"; write field=value.`);
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  return [name, valueAs(properties[name]?.type, value)];
}

/** A text that is no value of its type stays a text: the gateway says what is wrong with it. */
function valueAs(type: unknown, text: string): unknown {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  const isNumber =
    (type === 'integer' || type === 'number') && text.trim() !== '' && Number.isFinite(Number(text));
  return isNumber ? Number(text) : text;
}
