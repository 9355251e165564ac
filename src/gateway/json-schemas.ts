import { z } from 'zod';

export type JsonObject = Record<string, unknown>;

/**
 * JSON Schemas of zod schemas, for one document. What has a `meta({ id })` stands once, under its id;
 * the rest stands where it is used. Objects stay open on both sides, because unknown fields are ignored.
 */
export class JsonSchemas {
  /** The named ones, by id. */
  readonly named: JsonObject = {};
  readonly #refPrefix: string;
  readonly #target: 'draft-2020-12' | 'draft-07';

  /** @param refPrefix where the document keeps the named ones: `#/$defs/` or `#/components/schemas/` */
  constructor(refPrefix: string, target: 'draft-2020-12' | 'draft-07' = 'draft-2020-12') {
    this.#refPrefix = refPrefix;
    this.#target = target;
  }

  /**
   * @param io `input`: what a sender may send; `output`: what a receiver gets
   * @throws Error when two schemas have one id
   */
  of(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
    const made: JsonObject = z.toJSONSchema(schema, {
      io,
      target: this.#target,
      unrepresentable: 'any',
      override: represent,
    });
    const { $schema: _, $defs, definitions, ...rest } = made;
    for (const [id, body] of Object.entries(asObject($defs ?? definitions))) {
      if (!isAnonymous(id)) this.#keep(id, this.#settle(body));
    }
    return asObject(this.#settle(rest));
  }

  #keep(id: string, schema: unknown): void {
    const known = this.named[id];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`Two schemas are called ${id}, or it is sent in another form than it is received.`);
    }
    this.named[id] = schema;
  }

  /** Points references into this document. */
  #settle(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#settle(item));
    if (value === null || typeof value !== 'object') return value;
    const { $ref, ...rest } = value as JsonObject;
    const settled = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, this.#settle(item)]));
    if (typeof $ref !== 'string') return settled;
    const id = $ref.slice($ref.lastIndexOf('/') + 1);
    // What zod had to give a name to is `z.json()`, the one schema of ours that contains itself: any value.
    return isAnonymous(id) ? settled : { ...settled, $ref: `${this.#refPrefix}${id}` };
  }
}

const isAnonymous = (id: string) => id.startsWith('__');

function asObject(value: unknown): JsonObject {
  return value !== null && typeof value === 'object' ? (value as JsonObject) : {};
}

function represent({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: JsonObject }): void {
  const { type } = zodSchema._zod.def;
  delete jsonSchema.id;
  if (type === 'lazy') for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  // A field that may not be sent.
  if (type === 'undefined') jsonSchema.not = {};
  if (type === 'object' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
}
