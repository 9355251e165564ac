import { rightHolders } from '../protocol/roles.ts';
import type { Db } from './db.ts';

/** @param before the `next` of the page read before */
export interface PageRequest {
  limit: number;
  before?: string | undefined;
}

/** Of rows, newest first, of which one more was read than a page shows. */
export function pageOf<T>(
  rows: T[],
  limit: number,
  placeOf: (row: T) => string,
): { shown: T[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { shown, next: rows.length > limit && last !== undefined ? placeOf(last) : null };
}

/** Bytes of what one page holds, as they are stored. One row alone may have more. */
const inboxPageBytes = 1024 * 1024;

/** Whose, of those who may decide. */
export interface InboxRequest extends PageRequest {
  tenant: string;
  userId: string;
  status: 'pending' | 'resolved';
}

/** What waits, or waited, for people in sessions `s`, as SQL. */
export interface InboxList {
  /** Of the statement. */
  name: string;
  columns: string;
  joins: string;
  id: string;
  bytes: string;
}

/**
 * What people are asked in all sessions in which the user may decide, newest first, also of runs that are long closed,
 * and where the user's feed is: one statement, hence one snapshot. What changes after it, the feed tells after that `seq`.
 */
export async function readInbox<T extends object>(
  db: Db,
  list: InboxList,
  { tenant, userId, limit, before }: InboxRequest,
): Promise<{ found: T[]; last_seq: number; next: string | null }> {
  const { name, columns, joins, id, bytes } = list;
  const { rows } = await db.query<
    { last_seq: number } & (({ id: string; found: number } & T) | { id: null })
  >({
    name,
    text: `select f.last_seq, a.* from (
             select coalesce((select last_seq from feeds where tenant = $1 and user_id = $2), 0) as last_seq) f
           left join lateral (
             select found.*, count(*) over () as found, row_number() over newest as place,
               sum(bytes) over newest - bytes as before
             from (
               select ${id} as id, ${bytes} as bytes, ${columns}
               from participants p
               join sessions s on s.id = p.session_id and s.tenant = $1 and s.deleted_at is null
               ${joins}
               where p.user_id = $2 and p.role = any($5) and ($3::text is null or ${id} < $3)
               order by ${id} desc limit $4 + 1
             ) found window newest as (order by id desc)
           ) a on a.place <= $4 and a.before < $6 order by a.id desc`,
    values: [tenant, userId, before ?? null, limit, rightHolders.decide, inboxPageBytes],
  });
  const found = rows.flatMap((row) => (row.id === null ? [] : [row]));
  const hasMore = found.length < (found[0]?.found ?? 0);
  return { found, last_seq: rows[0]?.last_seq ?? 0, next: hasMore ? (found.at(-1)?.id ?? null) : null };
}
