import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { PublicError } from '../protocol/errors.ts';

const ajv = new Ajv2020({ strict: false, logger: false, addUsedSchema: false });
// A module without types of its own for ES modules.
(addFormats as unknown as (to: Ajv2020) => void)(ajv);

/**
 * Holds the content of an answer against the schema of its question. Schemas are ours, or made of the parts that MCP knows
 * for elicitation: no patterns, nothing nested, nothing that could hold the gateway up.
 * @throws PublicError `validation_error`, in words that say which field and why
 */
export function checkContent(schema: Record<string, unknown>, content: unknown): void {
  const validate = ajv.compile(schema);
  // It would be kept for ever otherwise.
  ajv.removeSchema(schema);
  if (validate(content)) return;
  const fault = validate.errors?.[0];
  const where = fault?.instancePath
    ? `Field "content${fault.instancePath.replaceAll('/', '.')}"`
    : 'Field "content"';
  const allowed: unknown = fault?.keyword === 'enum' ? fault.params.allowedValues : undefined;
  const choices = Array.isArray(allowed) ? `: ${allowed.join(', ')}` : '';
  const name = fault?.keyword === 'additionalProperties' ? ` ("${fault.params.additionalProperty}")` : '';
  throw new PublicError(
    'validation_error',
    `${where}: ${fault?.message ?? 'does not fit the schema'}${choices}${name}.`,
  );
}
