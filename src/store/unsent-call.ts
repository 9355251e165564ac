import { type Db, lockSession, type Tx, transaction } from './db.ts';

interface Attempt {
  sessionId: string;
  toolCallId: string;
  attempt: number;
}

/**
 * Gives back an attempt that was begun and could not be sent: it did nothing, and the call is looked at anew before the
 * next. May be said twice.
 * @returns false where the attempt is no longer the one that counts
 */
export async function giveBackUnsent(db: Db, at: Attempt): Promise<boolean> {
  return transaction(db, async (tx) => {
    await lockSession(tx, at.sessionId);
    // After an attempt that was lost it stays as that left it: whether it may be sent again is asked anew.
    const { rows } = await tx.query<{ was_lost: boolean }>({
      name: 'give-back-unsent',
      text: `update tool_calls set unsent_attempt = attempt, lease_until = null,
               status = case when was_lost and repeatable then status else 'ready' end
             where id = $1 and attempt = $2 and status = 'running' returning was_lost`,
      values: [at.toolCallId, at.attempt],
    });
    const [row] = rows;
    if (!row) return wasGivenBack(tx, at);
    if (!row.was_lost) await forgetUse(tx, at);
    return true;
  });
}

async function wasGivenBack(tx: Tx, at: Attempt): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'was-given-back',
    text: 'select from tool_calls where id = $1 and attempt = $2 and unsent_attempt = attempt',
    values: [at.toolCallId, at.attempt],
  });
  return rowCount === 1;
}

/** What was not sent is not counted, nor is the time until it is. */
async function forgetUse(tx: Tx, at: Attempt): Promise<void> {
  await tx.query({
    name: 'forget-call-use',
    text: `delete from usage u using tool_calls c where c.id = $1
             and u.turn_id = c.turn_id and u.step = c.step and u.kind = 'call' and u.ordinal = c.ordinal`,
    values: [at.toolCallId],
  });
}
