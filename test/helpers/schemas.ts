import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { frameSchema } from '../../src/gateway/http-documents.ts';
import { pascalOf } from '../../src/protocol/document-names.ts';

type Json = Record<string, unknown>;

/**
 * A schema with every object closed: the served ones are open, because clients must ignore what they do not know, but
 * what we send ourselves must all be told of.
 */
export function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T;
  if (schema === null || typeof schema !== 'object') return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isClosed = inner.type === 'object' && 'properties' in inner && !('additionalProperties' in inner);
  return (isClosed ? { ...inner, additionalProperties: false } : inner) as T;
}

/** Validators of parts of a document, found by JSON pointer (`/$defs/ServerFrame`). */
export function validatorsOf(document: Json): (pointer: string) => ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  // A module without types of its own for ES modules.
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  const { $schema: _, ...schema } = document;
  ajv.addSchema(schema, 'document');
  const known = new Map<string, ValidateFunction>();
  return (pointer) => {
    const found = known.get(pointer) ?? ajv.compile({ $ref: `document#${pointer}` });
    known.set(pointer, found);
    return found;
  };
}

const schema = frameSchema();
const names = Object.keys(schema.$defs as Json);
const frames = validatorsOf(closed(schema));

/** The name of a frame's schema in the documents; none for one that is not told of. */
export function nameOf(frame: object): string | undefined {
  const pascal = pascalOf((frame as { type?: string }).type ?? '');
  const durable = Object.hasOwn(frame, 'session_seq') ? 'Feed' : 'Event';
  return [`${durable}${pascal}`, `Live${pascal}`].find((id) => names.includes(id));
}

/** What the JSON Schema finds wrong with a frame from the gateway; empty when nothing is. */
export function frameFaults(frame: object): string[] {
  const name = nameOf(frame);
  if (name === undefined) return [`no schema of ${JSON.stringify(frame).slice(0, 200)}`];
  return faultsOf(frames(`/$defs/${name}`), frame);
}

export function faultsOf(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`.trim(),
  );
}

/** A document that the gateway serves, without a token, as tools fetch it. */
export async function fetchDocument<T extends Json>(http: string, path: string): Promise<T> {
  const answer = await fetch(`${http}${path}`);
  if (answer.status !== 200) throw new Error(`${path} answers ${answer.status}.`);
  return (await answer.json()) as T;
}

interface Operation {
  responses: Record<string, { content?: Record<string, unknown> }>;
}
export type OpenApi = Json & { paths: Record<string, Record<string, Operation>> };

export function operationsOf(openApi: OpenApi): { path: string; method: string }[] {
  return Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ path, method })),
  );
}
