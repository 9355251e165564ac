import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { errorText } from '../protocol/error-text.ts';

/** As JSON; models are sent the schemas of all tools with each request. */
const schemaChars = 64 * 1024;
const schemaDepth = 64;
const schemaNodes = 10_000;
const wordsChars = 300;

export type Dialect = 'draft-07' | '2020-12';
/** Under these a schema stores plain values, in which a "$ref" is a word like any other. */
const plainValues = new Set(['const', 'default', 'enum', 'examples']);
const references = new Set(['$ref', '$dynamicRef', '$recursiveRef']);

const metaOptions = { strict: false, logger: false, validateFormats: false } as const;
const meta = {
  'draft-07': new Ajv(metaOptions),
  '2020-12': new Ajv2020(metaOptions),
} satisfies Record<Dialect, Ajv>;

/** What a schema says it is written in; MCP's own is 2020-12. Nothing is ever fetched for it. */
export function dialectOf(schema: Record<string, unknown>): Dialect {
  const said = schema.$schema;
  return typeof said === 'string' && /draft-0[3-7]/.test(said) ? 'draft-07' : '2020-12';
}

/**
 * What is wrong with a tool's input schema, as words that follow "its schema"; null where nothing is. Looks, and
 * compiles nothing, so that it may be asked of every tool of a list.
 */
export function schemaFault(schema: Record<string, unknown>): string | null {
  const misfit = shapeFault(schema);
  if (misfit !== null) return misfit;
  if (schema.type !== undefined && schema.type !== 'object') return 'is not one of an object';
  if ('$async' in schema) return 'uses $async';
  const { $schema: _, ...plain } = schema;
  const validator = meta[dialectOf(schema)];
  try {
    return validator.validateSchema(plain) === true
      ? null
      : `is not valid JSON Schema: ${firstError(validator)}`;
  } catch (error) {
    return `is not valid JSON Schema: ${errorText(error).slice(0, wordsChars)}`;
  }
}

function firstError(validator: Ajv): string {
  const [first] = validator.errors ?? [];
  return `${first?.instancePath || 'it'} ${first?.message ?? 'is wrong'}`.slice(0, wordsChars);
}

interface Place {
  value: unknown;
  depth: number;
}

/** Too large, too deep, or with references out of it; without recursion, because a hostile schema may be deep. */
export function shapeFault(schema: Record<string, unknown>): string | null {
  const ahead: Place[] = [{ value: schema, depth: 0 }];
  let nodes = 0;
  for (let place = ahead.pop(); place !== undefined; place = ahead.pop()) {
    const { value, depth } = place;
    if (value === null || typeof value !== 'object') continue;
    if (depth > schemaDepth) return `is nested more than ${schemaDepth} levels deep`;
    for (const [key, item] of Object.entries(value)) {
      nodes += 1;
      if (nodes > schemaNodes) return `has more than ${schemaNodes} parts`;
      if (references.has(key) && typeof item === 'string' && !item.startsWith('#')) {
        return 'refers to another document, which is never fetched';
      }
      if (!plainValues.has(key) || depth === 0) ahead.push({ value: item, depth: depth + 1 });
    }
  }
  return JSON.stringify(schema).length > schemaChars ? `is longer than ${schemaChars} characters` : null;
}
