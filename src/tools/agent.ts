import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { errorCode, errorText } from '../protocol/error-text.ts';
import { globMatches } from './glob.ts';

const serverName = z.string().min(1);
const offeredTools = z
  .string()
  .max(256)
  .regex(/^[^.\s]+\.\S+$|^\*$/, 'must be `server.tool`, in which `*` and `?` stand for others');

// Strict, because a misspelt field that is silently ignored would have people wonder.
const agentDefinition = z.strictObject({
  /** As the file is called. */
  name: z.string().min(1).max(64),
  /** What people who choose an agent are told of it. */
  description: z.string().min(1).max(500).optional(),
  /** The system message of every model call. */
  instructions: z.string().min(1).max(100_000),
  model: z.string().min(1).max(200),
  /** Whether the model reads images; one that does not is told their names. */
  vision: z.boolean().default(true),
  /** As the model's server understands them; its own where not given. */
  temperature: z.number().min(0).max(2).optional(),
  max_output_tokens: z.int().min(1).max(1_000_000).optional(),
  /** The MCP servers whose tools are offered; all configured ones where not given. */
  servers: z.array(serverName).optional(),
  /** Of these servers' tools, those that it may use, as `server.tool` with `*` and `?`; all where not given. */
  tools: z.array(offeredTools).min(1).max(200).optional(),
  /** Where rules were until there was a file for them: said, because silently ignored they would be missed. */
  policy: z
    .undefined({
      error:
        'rules live in one file for all agents now, policy.yaml (setting TURNGATE_POLICY); move them there',
    })
    .optional(),
});
export type AgentDefinition = Omit<z.infer<typeof agentDefinition>, 'policy'>;

/** Of letters, digits, `_` and `-`: a name may come from a request, and none leaves the folder. */
const agentName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export function isAgentName(name: string): boolean {
  return agentName.test(name);
}

/** Whether the agent may use a tool, `server.tool`. What it may not use, it is not told of. */
export function mayUse(agent: AgentDefinition, tool: { name: string; server: string }): boolean {
  const { servers, tools } = agent;
  if (servers !== undefined && !servers.includes(tool.server)) return false;
  return tools === undefined || tools.some((pattern) => globMatches(pattern, tool.name));
}

/**
 * Reads `<dir>/<name>.yaml`.
 * @throws Error with one clear sentence that names the file and, where one is wrong, the field
 */
export async function loadAgent(dir: string, name: string): Promise<AgentDefinition> {
  if (!isAgentName(name)) {
    throw new Error(
      `"${name.slice(0, 80)}" cannot be an agent's name: use letters, digits, "_" and "-", at most 64.`,
    );
  }
  const file = join(dir, `${name}.yaml`);
  const parsed = agentDefinition.safeParse(parseYaml(file, await readAgentFile(file, name)));
  if (parsed.success) return called(parsed.data, name, file);
  const faults = parsed.error.issues.map((issue) => {
    const field = issue.path.length > 0 ? issue.path.join('.') : 'the file';
    return `${field}: ${issue.message}`;
  });
  throw new Error(`The agent file ${file} is not usable: ${faults.join('; ')}.`);
}

/** Else two files could be one agent, and a copy that nobody renamed inside would go unnoticed. */
function called(agent: AgentDefinition, name: string, file: string): AgentDefinition {
  if (agent.name === name) return agent;
  throw new Error(
    `The agent file ${file} is not usable: name: must be "${name}", as the file is called, not "${agent.name.slice(0, 80)}".`,
  );
}

async function readAgentFile(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    // Whoever talks to a session of it may read this: no path of this machine.
    if (errorCode(error) === 'ENOENT') {
      const what = `There is no agent "${name}": no ${name}.yaml is in the folder of agents (TURNGATE_AGENTS_DIR).`;
      throw new Error(`${what} Put it there, or begin a session with another agent.`, { cause: error });
    }
    throw new Error(`The agent "${name}" cannot be read: ${errorText(error)}.`, { cause: error });
  }
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`The agent file ${file} is not valid YAML: ${errorText(error)}`, { cause: error });
  }
}
