import type { EventBody } from '../protocol/server-frames.ts';
import { sessionWorkflowId } from '../protocol/turn-workflow.ts';
import type { Tx } from './db.ts';

/** What the store cannot know of a run's address. */
export interface DebugSource {
  /** Base URL of Temporal's UI. */
  temporalUi: string | undefined;
  namespace: string;
}

interface DebugRow {
  session_id: string;
  run_id: string | null;
  model: string | null;
  first_token_ms: number | null;
  attempts: number;
  rules: string[];
}

/** How a turn went, for developers; written into its `turn_end`. */
export async function readTurnDebug(
  tx: Tx,
  turnId: string,
  source: DebugSource,
): Promise<NonNullable<EventBody<'turn_end'>['debug']> | null> {
  const { rows } = await tx.query<DebugRow>({
    name: 'read-turn-debug',
    text: `select t.session_id, t.run_id,
             (select s.model from steps s where s.turn_id = t.id and s.model is not null order by s.step desc limit 1) as model,
             (select s.first_token_ms from steps s where s.turn_id = t.id and s.first_token_ms is not null
              order by s.step limit 1) as first_token_ms,
             (select coalesce(sum(s.attempt), 0) from steps s where s.turn_id = t.id) as attempts,
             array(select c.rule from tool_calls c where c.turn_id = t.id group by c.rule order by min(c.step), min(c.ordinal)) as rules
           from turns t where t.id = $1`,
    values: [turnId],
  });
  const row = rows[0];
  if (!row) return null;
  const { session_id, run_id, ...debug } = row;
  return { ...debug, run_link: runLink(source, session_id, run_id) };
}

function runLink(source: DebugSource, sessionId: string, runId: string | null): string | null {
  if (source.temporalUi === undefined || runId === null) return null;
  const workflow = encodeURIComponent(sessionWorkflowId(sessionId));
  const path = `/namespaces/${encodeURIComponent(source.namespace)}/workflows/${workflow}/${runId}/history`;
  return `${source.temporalUi.replace(/\/+$/, '')}${path}`;
}
