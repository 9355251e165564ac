import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { errorText } from '../protocol/error-text.ts';
import { cleanText, cutAt } from '../protocol/text.ts';
import { dialectOf, schemaFault, shapeFault } from './schema-fault.ts';
import { withinTime } from './within-time.ts';

const compileMs = 1_000;
const checkMs = 250;
const keptSchemas = 300;
/** Of a fault that may be the load of the machine and not the schema's: looked at again after it. */
const faultKeptMs = 60_000;
const sentenceChars = 600;
const valuesShown = 20;

type Check = ValidateFunction | { fault: string; until: number };
const checks = new Map<string, Check>();

/**
 * Holds arguments against a tool's input schema. The schema is the server's and may be hostile: it is compiled on its
 * own (no other schema is in reach, nothing is fetched), and both steps are bounded in time.
 * @returns null where they fit, else one sentence that names the place, for whoever wrote the arguments; never throws
 */
export function checkArguments(
  schema: Record<string, unknown>,
  args: Record<string, unknown>,
): string | null {
  try {
    const shape = shapeFault(schema);
    const check = shape === null ? checkOf(schema) : faulty(shape);
    if (typeof check !== 'function') return unusable(check.fault);
    const checked = withinTime(checkMs, () => check(args) === true);
    if (!checked.done) return unusable(`took more than ${checkMs} ms to hold the arguments against`);
    return checked.value ? null : misfit(check.errors?.[0]);
  } catch (error) {
    // A schema that refers to itself without end exhausts the stack.
    return unusable(`cannot be used: ${errorText(error)}`);
  }
}

function checkOf(schema: Record<string, unknown>): Check {
  const key = keyOf(schema);
  const known = checks.get(key);
  if (known !== undefined && (typeof known === 'function' || Date.now() < known.until)) {
    checks.delete(key);
    checks.set(key, known);
    return known;
  }
  const check = compile(schema);
  checks.set(key, check);
  const [oldest] = checks.keys();
  if (checks.size > keptSchemas && oldest !== undefined) checks.delete(oldest);
  return check;
}

function keyOf(schema: Record<string, unknown>): string {
  return createHash('sha256').update(JSON.stringify(schema)).digest('base64');
}

function compile(schema: Record<string, unknown>): Check {
  const fault = schemaFault(schema);
  if (fault !== null) return faulty(fault);
  try {
    const { $schema: _, ...plain } = schema;
    const compiled = withinTime(compileMs, () => newAjv(dialectOf(schema)).compile(plain));
    return compiled.done ? compiled.value : faulty(`took more than ${compileMs} ms to compile`);
  } catch (error) {
    return faulty(`cannot be compiled: ${errorText(error)}`);
  }
}

function faulty(fault: string): Check {
  return { fault, until: Date.now() + faultKeptMs };
}

/** One for each schema: an `$id` in one server's schema must not stand for something in another's. */
function newAjv(dialect: ReturnType<typeof dialectOf>): Ajv {
  const options: Options = {
    strict: false,
    logger: false,
    meta: false,
    validateSchema: false,
    // Else nested references could make the code grow without bound.
    inlineRefs: false,
    // Else {"required": ["constructor"]} would be met by every object.
    ownProperties: true,
    code: { regExp: readPattern },
  };
  const ajv = dialect === 'draft-07' ? new Ajv(options) : new Ajv2020(options);
  formats.default(ajv, { mode: 'fast' });
  return ajv;
}

/** JSON Schema wants Unicode patterns; many that people write, such as `[\w-.]`, are none. */
const readPattern = Object.assign(
  (pattern: string, flags: string) => {
    try {
      return new RegExp(pattern, flags);
    } catch {
      return new RegExp(pattern);
    }
  },
  { code: 'readPattern' },
);

function misfit(error: ErrorObject | undefined): string {
  const place = error?.instancePath ? `at ${error.instancePath} ` : '';
  return sentence(`The arguments do not fit the tool: ${place}they ${wordsOf(error)}.`);
}

function wordsOf(error: ErrorObject | undefined): string {
  const words = error?.message ?? 'are wrong';
  const { allowedValues, additionalProperty } = (error?.params ?? {}) as Record<string, unknown>;
  if (Array.isArray(allowedValues)) return `${words}: ${JSON.stringify(allowedValues.slice(0, valuesShown))}`;
  return typeof additionalProperty === 'string' ? `${words}: "${additionalProperty}"` : words;
}

function unusable(fault: string): string {
  return sentence(`The arguments cannot be checked, because the schema of the tool ${fault}.`);
}

function sentence(text: string): string {
  const clean = cleanText(text);
  return clean.length <= sentenceChars ? clean : `${clean.slice(0, cutAt(clean, sentenceChars - 1))}…`;
}
