import type { InputAction } from '../protocol/frame-parts.ts';
import type { InputsPage, InputView } from '../protocol/inputs.ts';
import type { Db } from './db.ts';
import { type InboxRequest, readInbox } from './pages.ts';
import type { AnswerContent } from './question-close.ts';

interface InputRow extends Omit<InputView, 'answer'> {
  action: InputAction | null;
  content: AnswerContent | null;
  answered_by: string;
  answered_at: number;
}

const columns = `q.id as request_id, q.session_id, s.title as session_title, q.turn_id, t.user_id as asked_by, q.kind,
  q.tool_call_id, c.tool, q.message, q.schema, q.asked_at as requested_at, q.expires_at, q.action, q.content,
  q.answered_by, q.answered_at`;

/** The questions of all sessions in which the user may decide; see {@link readInbox}. */
export async function listInputs(db: Db, request: InboxRequest): Promise<InputsPage> {
  const list = {
    name: `list-inputs-${request.status}`,
    columns,
    joins: `join input_requests q on q.session_id = s.id and q.action is ${request.status === 'pending' ? '' : 'not'} null
      join turns t on t.id = q.turn_id left join tool_calls c on c.id = q.tool_call_id`,
    id: 'q.id',
    bytes: `pg_column_size(q.message) + pg_column_size(q.schema) + coalesce(pg_column_size(q.content), 0)`,
  };
  const { found, ...page } = await readInbox<InputRow>(db, list, request);
  return { inputs: found.map(toView), ...page };
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
