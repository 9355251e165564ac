import type { Db } from './db.ts';

/** What is going on in a session, all of one moment. */
export interface LiveState {
  lastSeq: number;
  turn: { turnId: string; startedAt: number } | null;
  /** Turns that wait for their own, in their order. */
  queued: string[];
  /** The stream under way, with its draft; texts are empty where no draft is there yet. */
  stream: { messageId: string; attempt: number; content: string; thought: string } | null;
  /** Calls that wait for an approval. */
  waiting: string[];
  /** Calls that are to run or run. */
  runningTools: string[];
  /** Questions that nobody has answered. */
  asking: AskedInput[];
}

export interface AskedInput {
  requestId: string;
  toolCallId: string | null;
}

interface StateRow {
  last_seq: number;
  turn_id: string | null;
  started_at: number | null;
  queued: string[] | null;
  message_id: string | null;
  attempt: number | null;
  content: string | null;
  thought: string | null;
  waiting: string[] | null;
  running: string[] | null;
  asking: AskedInput[] | null;
}

/** One statement, hence one snapshot: events, turn, open stream and draft belong together. */
export async function readLiveState(db: Db, sessionId: string): Promise<LiveState | null> {
  const { rows } = await db.query<StateRow>({
    name: 'read-live-state',
    text: `select s.last_seq, t.id as turn_id, t.started_at,
         (select array_agg(q.id order by q.position) from turns q
          where q.session_id = s.id and q.status = 'queued') as queued,
         p.message_id, p.attempt, d.content, d.thought,
         (select array_agg(c.id order by c.step, c.ordinal) from tool_calls c
          where c.turn_id = t.id and c.status = 'waiting') as waiting,
         (select array_agg(c.id order by c.step, c.ordinal) from tool_calls c
          where c.turn_id = t.id and c.status in ('ready', 'running')) as running,
         (select json_agg(json_build_object('requestId', i.id, 'toolCallId', i.tool_call_id) order by i.id)
          from input_requests i where i.turn_id = t.id and i.action is null) as asking
       from sessions s
       left join turns t on t.session_id = s.id and t.status = 'running'
       left join lateral (
         select st.message_id, st.attempt from steps st
         where st.turn_id = t.id and not exists (select 1 from messages m where m.id = st.message_id)
         order by st.step desc limit 1) p on true
       left join drafts d on d.message_id = p.message_id and d.attempt = p.attempt
       where s.id = $1`,
    values: [sessionId],
  });
  const row = rows[0];
  if (!row) return null;
  return {
    lastSeq: row.last_seq,
    turn: row.turn_id === null ? null : { turnId: row.turn_id, startedAt: row.started_at ?? 0 },
    queued: row.queued ?? [],
    stream:
      row.message_id === null
        ? null
        : {
            messageId: row.message_id,
            attempt: row.attempt ?? 0,
            content: row.content ?? '',
            thought: row.thought ?? '',
          },
    waiting: row.waiting ?? [],
    runningTools: row.running ?? [],
    asking: row.asking ?? [],
  };
}
