import { PublicError } from '../protocol/errors.ts';
import { type AgentSummary, agentsView } from '../protocol/http.ts';
import type { HttpRouter } from './http-router.ts';

/** Which agents a session may be made with, as their files say it now. */
export interface Agents {
  list(): Promise<AgentSummary[]>;
}

const about = {
  list: { summary: 'The agents that a session may be made with.', answers: { 200: agentsView } },
};

/** `/v1/agents`. */
export function serveAgents(router: HttpRouter, agents: Agents): void {
  router.get('/v1/agents', about.list, async () => ({ status: 200, body: { agents: await agents.list() } }));
}

/** @throws PublicError `validation_error`, which names those that there are */
export async function checkAgent(agents: Agents, name: string): Promise<void> {
  const names = (await agents.list()).map((agent) => agent.name);
  if (names.includes(name)) return;
  const there = names.length > 0 ? `there are: ${names.join(', ')}` : 'there are none';
  throw new PublicError('validation_error', `Field "agent": there is no agent "${name}"; ${there}.`);
}
