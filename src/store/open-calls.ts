import type { EventFrame } from '../protocol/server-frames.ts';
import type { Db } from './db.ts';

type ToolCall = Extract<EventFrame, { type: 'tool_call' }>;

/** What a later event about a call does not say again. */
export interface NamedCall {
  toolCallId: string;
  tool: string;
  arguments: ToolCall['arguments'];
}

const maxCalls = 256;
/** Clocks of transactions that commit in one order may begin in another. */
const slackSeconds = 60;

/** The calls of turns that had not ended at `after`: events behind it may be about them. The newest come last. */
export async function readOpenCalls(db: Db, at: { sessionId: string; after: number }): Promise<NamedCall[]> {
  const { rows } = await db.query<{ id: string; tool: string; arguments: ToolCall['arguments'] }>({
    name: 'read-open-calls',
    text: `select c.id, c.tool, c.arguments from turns t join tool_calls c on c.turn_id = t.id
           where t.session_id = $1 and (t.ended_at is null or t.ended_at >=
             (select min(e.ts) from events e where e.session_id = $1 and e.seq = $2::bigint + 1)
             - make_interval(secs => $3))
           order by c.created_at desc, c.id desc limit $4`,
    values: [at.sessionId, at.after, slackSeconds, maxCalls],
  });
  return rows.reverse().map(({ id, tool, arguments: args }) => ({ toolCallId: id, tool, arguments: args }));
}
