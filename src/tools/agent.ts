import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { errorCode, errorText } from './error-text.ts';

/** A pattern of the deny list: one tool (`server.tool`) or all tools of a server (`server.*`). */
const toolPattern = z.string().regex(/^[A-Za-z0-9_-]+\..+$/, 'must be `server.tool` or `server.*`');
const serverName = z.string().min(1);

const policy = z.strictObject({
  /** Servers whose own word about their tools (read-only, idempotent) is believed. */
  trusted_servers: z.array(serverName).default([]),
  /** Never called, whoever asks. */
  deny: z.array(toolPattern).default([]),
});

// Strict, because a misspelt `deny` that is silently ignored would open a gate.
const agentDefinition = z.strictObject({
  name: z.string().min(1).max(64),
  /** The system message of every model call. */
  instructions: z.string().min(1).max(100_000),
  model: z.string().min(1).max(200),
  /** Whether the model reads images; one that does not is told their names. */
  vision: z.boolean().default(true),
  /** The MCP servers whose tools are offered; all configured ones where not given. */
  servers: z.array(serverName).optional(),
  policy: policy.default({ trusted_servers: [], deny: [] }),
});
export type AgentDefinition = z.infer<typeof agentDefinition>;
export type ToolPolicy = z.infer<typeof policy>;

/**
 * Reads `<dir>/<name>.yaml`.
 * @throws Error with one clear sentence that names the file and, where one is wrong, the field
 */
export async function loadAgent(dir: string, name: string): Promise<AgentDefinition> {
  // The name may come from a client's request: nothing that could leave the folder.
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new Error(
      `"${name.slice(0, 80)}" cannot be an agent's name: use letters, digits, "_" and "-", at most 64.`,
    );
  }
  const file = join(dir, `${name}.yaml`);
  const parsed = agentDefinition.safeParse(parseYaml(file, await readAgentFile(file, name)));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    const field = issue.path.length > 0 ? issue.path.join('.') : 'the file';
    return `${field}: ${issue.message}`;
  });
  throw new Error(`The agent file ${file} is not usable: ${faults.join('; ')}.`);
}

async function readAgentFile(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is no such file' : errorText(error);
    throw new Error(`The agent "${name}" cannot be read from ${file}: ${why}.`, { cause: error });
  }
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`The agent file ${file} is not valid YAML: ${errorText(error)}`, { cause: error });
  }
}
