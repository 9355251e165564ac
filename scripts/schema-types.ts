import { z } from 'zod';

type Schema = Record<string, unknown>;

/** What any JSON value becomes, the only schema that refers to itself. */
export const jsonType = 'type Json = string | number | boolean | null | Json[] | { [key: string]: Json };\n';

/** A TypeScript declaration of what a zod schema lets through, which needs no zod to be read. */
export function declare(name: string, schema: z.ZodType): string {
  const root = z.toJSONSchema(schema, { unrepresentable: 'any' }) as Schema;
  const definitions = (root.$defs ?? {}) as Record<string, Schema>;
  return `export type ${name} = ${new Printer(definitions).print(root)};\n`;
}

class Printer {
  readonly #definitions: Record<string, Schema>;
  readonly #open = new Set<string>();

  constructor(definitions: Record<string, Schema>) {
    this.#definitions = definitions;
  }

  print(schema: Schema): string {
    if (typeof schema.$ref === 'string') return this.#named(schema.$ref.replace('#/$defs/', ''));
    if ('const' in schema) return JSON.stringify(schema.const);
    if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
    const choices = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(choices)) return choices.map((choice) => `(${this.print(choice)})`).join(' | ');
    if (Array.isArray(schema.type))
      return schema.type.map((type) => this.print({ ...schema, type })).join(' | ');
    switch (schema.type) {
      case 'object':
        return this.#object(schema);
      case 'array':
        return `(${this.print((schema.items ?? {}) as Schema)})[]`;
      case 'integer':
      case 'number':
        return 'number';
      case 'string':
      case 'boolean':
      case 'null':
        return schema.type;
      default:
        return 'Json';
    }
  }

  #named(name: string): string {
    const definition = this.#definitions[name];
    if (!definition || this.#open.has(name)) return 'Json';
    this.#open.add(name);
    const printed = `(${this.print(definition)})`;
    this.#open.delete(name);
    return printed;
  }

  #object(schema: Schema): string {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
    if (properties.length === 0) return '{ [key: string]: Json }';
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const fields = properties.map(([key, field]) => {
      const words = typeof field.description === 'string' ? `/** ${field.description} */ ` : '';
      return `${words}${JSON.stringify(key)}${required.has(key) ? '' : '?'}: ${this.print(field)}`;
    });
    return `{ ${fields.join('; ')} }`;
  }
}
