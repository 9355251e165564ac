import type { InputStatus, InputsPage, InputView } from '../protocol/inputs.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { InputAction } from '../protocol/server-frames.ts';
import type { Db } from './db.ts';
import type { AnswerContent } from './question-close.ts';

/** Bytes of schemas and answers in one page, as they are stored. One question alone may have more. */
const pageBytes = 1024 * 1024;

interface InputRow extends Omit<InputView, 'answer'> {
  last_seq: number;
  action: InputAction | null;
  content: AnswerContent | null;
  answered_by: string;
  answered_at: number;
  found: number;
}

/**
 * The questions of all sessions in which the user may decide, also of runs that are long closed, and where the user's
 * feed is: one statement, hence one snapshot. What changes after it, the feed tells after that `seq`.
 * @param request.before the `request_id` of the last one seen
 */
export async function listInputs(
  db: Db,
  request: {
    tenant: string;
    userId: string;
    status: InputStatus;
    limit: number;
    before?: string | undefined;
  },
): Promise<InputsPage> {
  const { tenant, userId, status, limit, before } = request;
  const { rows } = await db.query<InputRow | { request_id: null; last_seq: number }>({
    name: `list-inputs-${status}`,
    text: `select f.last_seq, a.* from (
             select coalesce((select last_seq from feeds where tenant = $1 and user_id = $2), 0) as last_seq) f
           left join lateral (
             select found.*, count(*) over () as found, row_number() over newest as place,
               sum(size) over newest - size as before
             from (
               select q.id as request_id, q.session_id, s.title as session_title, q.turn_id, t.user_id as asked_by,
                 q.kind, q.tool_call_id, c.tool, q.message, q.schema, q.asked_at as requested_at, q.expires_at,
                 q.action, q.content, q.answered_by, q.answered_at,
                 pg_column_size(q.message) + pg_column_size(q.schema) + coalesce(pg_column_size(q.content), 0) as size
               from participants p
               join sessions s on s.id = p.session_id and s.tenant = $1 and s.deleted_at is null
               join input_requests q on q.session_id = s.id and q.action is ${status === 'pending' ? '' : 'not'} null
               join turns t on t.id = q.turn_id
               left join tool_calls c on c.id = q.tool_call_id
               where p.user_id = $2 and p.role = any($5) and ($3::text is null or q.id < $3)
               order by q.id desc limit $4 + 1
             ) found window newest as (order by request_id desc)
           ) a on a.place <= $4 and a.before < $6 order by a.request_id desc`,
    values: [tenant, userId, before ?? null, limit, rightHolders.decide, pageBytes],
  });
  const found = rows.flatMap((row) => (row.request_id === null ? [] : [row]));
  const hasMore = found.length < (found[0]?.found ?? 0);
  return {
    inputs: found.map(toView),
    last_seq: rows[0]?.last_seq ?? 0,
    next: hasMore ? (found.at(-1)?.request_id ?? null) : null,
  };
}

function toView(row: InputRow): InputView {
  const { action, content, answered_by: by, answered_at: at } = row;
  const said = content === null ? {} : { content };
  return {
    request_id: row.request_id,
    session_id: row.session_id,
    session_title: row.session_title,
    turn_id: row.turn_id,
    asked_by: row.asked_by,
    kind: row.kind,
    tool_call_id: row.tool_call_id,
    tool: row.tool,
    message: row.message,
    schema: row.schema,
    requested_at: row.requested_at,
    expires_at: row.expires_at,
    answer: action === null ? null : { action, by, at, ...said },
  };
}
