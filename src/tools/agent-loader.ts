import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentDefinition, loadAgent } from './agent.ts';

/** Agent definitions by name, read again when their file has changed. */
export function createAgentLoader(dir: string): (name: string) => Promise<AgentDefinition> {
  const loaded = new Map<string, { changedAt: number; agent: AgentDefinition }>();
  return async (name) => {
    const changedAt = await stat(join(dir, `${name}.yaml`)).then(
      (file) => file.mtimeMs,
      () => 0,
    );
    const known = loaded.get(name);
    if (known && known.changedAt === changedAt && changedAt !== 0) return known.agent;
    const agent = await loadAgent(dir, name);
    loaded.set(name, { changedAt, agent });
    return agent;
  };
}
