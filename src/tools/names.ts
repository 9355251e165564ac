import { createHash } from 'node:crypto';

/** OpenAI's rule for function names: `^[a-zA-Z0-9_-]{1,64}$`. */
const functionNameChars = 64;
const hashChars = 16;

/**
 * The function name that the model sees for `server.tool`. A pure function of its argument, so that the
 * names in an old conversation stay the same when servers come and go.
 *
 * Names that fit become `server__tool`; all others become a readable stem and a hash. The two forms cannot
 * meet: the first always holds "__", the second never does.
 */
export function functionName(toolName: string): string {
  const dot = toolName.indexOf('.');
  const server = toolName.slice(0, dot);
  const tool = toolName.slice(dot + 1);
  const plain = `${server}__${tool}`;
  // The first "__" must be the border, or two different names could give the same function.
  const splits = dot > 0 && !server.includes('__') && !server.endsWith('_');
  if (splits && tool !== '' && plain.length <= functionNameChars && /^[a-zA-Z0-9_-]+$/.test(plain)) {
    return plain;
  }
  const stem = toolName
    .slice(0, 4 * functionNameChars)
    .replaceAll(/[^a-zA-Z0-9-]+/g, '_')
    .replaceAll(/^_|_$/g, '')
    .slice(0, functionNameChars - hashChars - 1)
    .replace(/_$/, '');
  const hash = createHash('sha256').update(toolName).digest('hex').slice(0, hashChars);
  return stem === '' ? hash : `${stem}_${hash}`;
}

/**
 * `server.tool` for a function name that a model wrote. A name that stands for no known tool is turned back
 * as far as it goes, so that the answer "there is no such tool" can name it.
 * @param known the tools that exist, as `server.tool`
 */
export function toolName(name: string, known: Iterable<string>): string {
  for (const candidate of known) {
    if (functionName(candidate) === name) return candidate;
  }
  const border = name.indexOf('__');
  return border > 0 ? `${name.slice(0, border)}.${name.slice(border + 2)}` : name;
}

/**
 * `server.tool` for a name that may be bare: what does not begin with a server's name and a dot is a tool of the
 * default server.
 */
export function fullToolName(
  name: string,
  servers: { has(server: string): boolean },
  defaultServer: string | undefined,
): string {
  const dot = name.indexOf('.');
  if (defaultServer === undefined || (dot > 0 && servers.has(name.slice(0, dot)))) return name;
  return `${defaultServer}.${name}`;
}
