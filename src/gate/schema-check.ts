import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats, { type FormatMode } from 'ajv-formats';
import { errorText } from '../protocol/error-text.ts';
import { dialectOf, schemaFault, shapeFault } from './schema-fault.ts';
import { withinTime } from './within-time.ts';

const compileMs = 1_000;
const checkMs = 250;
const keptSchemas = 300;
/** Of a fault that may be the load of the machine and not the schema's: looked at again after it. */
const faultKeptMs = 60_000;
const valuesShown = 20;

type Check = ValidateFunction | { fault: string; until: number };
const checks = new Map<string, Check>();

/** Where it does not fit (a JSON pointer) and why; or why the schema is of no use, as words that follow "its schema". */
export type Misfit = { place: string; words: string } | { fault: string };

/**
 * Holds a value against a schema of an object. The schema may be a hostile server's: it is compiled on its own (no other
 * schema is in reach, nothing is fetched), and both steps are bounded in time. Never throws.
 * @param formats how closely words such as `email` and `date` are taken
 */
export function misfitOf(
  schema: Record<string, unknown>,
  value: unknown,
  formats: FormatMode,
): Misfit | null {
  try {
    const shape = shapeFault(schema);
    const check = shape === null ? checkOf(schema, formats) : faulty(shape);
    if (typeof check !== 'function') return { fault: check.fault };
    const checked = withinTime(checkMs, () => check(value) === true);
    if (!checked.done) return { fault: `took more than ${checkMs} ms to check with` };
    return checked.value ? null : toMisfit(check.errors?.[0]);
  } catch (error) {
    // A schema that refers to itself without end exhausts the stack.
    return { fault: `cannot be used: ${errorText(error)}` };
  }
}

function checkOf(schema: Record<string, unknown>, formats: FormatMode): Check {
  const key = keyOf(schema, formats);
  const known = checks.get(key);
  if (known !== undefined && (typeof known === 'function' || Date.now() < known.until)) {
    checks.delete(key);
    checks.set(key, known);
    return known;
  }
  const check = compile(schema, formats);
  checks.set(key, check);
  const [oldest] = checks.keys();
  if (checks.size > keptSchemas && oldest !== undefined) checks.delete(oldest);
  return check;
}

function keyOf(schema: Record<string, unknown>, formats: FormatMode): string {
  return createHash('sha256').update(formats).update(JSON.stringify(schema)).digest('base64');
}

function compile(schema: Record<string, unknown>, formats: FormatMode): Check {
  const fault = schemaFault(schema);
  if (fault !== null) return faulty(fault);
  try {
    const { $schema: _, ...plain } = schema;
    const compiled = withinTime(compileMs, () => newAjv(dialectOf(schema), formats).compile(plain));
    return compiled.done ? compiled.value : faulty(`took more than ${compileMs} ms to compile`);
  } catch (error) {
    return faulty(`cannot be compiled: ${errorText(error)}`);
  }
}

function faulty(fault: string): Check {
  return { fault, until: Date.now() + faultKeptMs };
}

/** One for each schema: an `$id` in one server's schema must not stand for something in another's. */
function newAjv(dialect: ReturnType<typeof dialectOf>, formats: FormatMode): Ajv {
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
  addFormats.default(ajv, { mode: formats });
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

function toMisfit(error: ErrorObject | undefined): Misfit {
  return { place: error?.instancePath ?? '', words: wordsOf(error) };
}

function wordsOf(error: ErrorObject | undefined): string {
  const words = error?.message ?? 'are wrong';
  const { allowedValues, additionalProperty } = (error?.params ?? {}) as Record<string, unknown>;
  if (Array.isArray(allowedValues)) return `${words}: ${JSON.stringify(allowedValues.slice(0, valuesShown))}`;
  return typeof additionalProperty === 'string' ? `${words}: "${additionalProperty}"` : words;
}
