import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';

export async function isRolledBack(tx: Tx, turnId: string): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'is-rolled-back',
    text: `select 1 from turns where id = $1 and cancel_kind = 'rollback'`,
    values: [turnId],
  });
  return rowCount === 1;
}

/**
 * Takes a turn's messages out of the conversation, the user's as well: neither clients nor the model see them again.
 * The rows stay, so that a message sent again is known; so do ledger and decisions, for whoever asks what was done.
 */
export async function removeMessages(tx: Tx, turnId: string): Promise<NewEvent[]> {
  const { rows } = await tx.query<{ id: string }>({
    name: 'remove-messages',
    text: `with removed as (
             update messages m set removed_at = now() from turns t
             where t.id = $1 and m.session_id = t.session_id and m.position = t.position
             returning m.id, m.step, m.ordinal)
           select id from removed order by step, ordinal`,
    values: [turnId],
  });
  const body = { message_ids: rows.map((row) => row.id) };
  return [{ key: `messages_removed:${turnId}`, type: 'messages_removed', turnId, body }];
}
