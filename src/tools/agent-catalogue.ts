import { readdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { errorText } from '../protocol/error-text.ts';
import type { AgentSummary } from '../protocol/http.ts';
import { isAgentName } from './agent.ts';
import { createAgentLoader } from './agent-loader.ts';

/** Agents that are told of; a folder with more is somebody's mistake. */
const agentsMax = 500;
const suffix = '.yaml';

/** Which agents there are, as the folder says it now. */
export interface AgentCatalogue {
  /** Ordered by name. One whose file is not usable is left out, and the log says why. */
  list(): Promise<AgentSummary[]>;
}

export function createAgentCatalogue(dir: string, logger: Logger): AgentCatalogue {
  const load = createAgentLoader(dir);
  const faults = new Map<string, string>();
  const read = async (name: string): Promise<AgentSummary[]> => {
    try {
      const { description } = await load(name);
      faults.delete(name);
      return [{ name, ...(description === undefined ? {} : { description }) }];
    } catch (error) {
      const fault = errorText(error);
      // Said once, not at each request.
      if (faults.get(name) !== fault) logger.warn({ agent: name }, fault);
      faults.set(name, fault);
      return [];
    }
  };
  return {
    async list() {
      const names = await namesIn(dir, logger);
      return (await Promise.all(names.map(read))).flat();
    },
  };
}

async function namesIn(dir: string, logger: Logger): Promise<string[]> {
  try {
    const files = await readdir(dir);
    const names = files.filter((file) => file.endsWith(suffix)).map((file) => file.slice(0, -suffix.length));
    return names.filter(isAgentName).toSorted().slice(0, agentsMax);
  } catch (error) {
    logger.error({ err: error }, 'the folder of agents cannot be read; see TURNGATE_AGENTS_DIR');
    return [];
  }
}
