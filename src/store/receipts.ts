import type { Db } from './db.ts';

/** A named device of a user in a session. */
export interface DeviceOfSession {
  sessionId: string;
  userId: string;
  device: string;
}

/** Devices of one user in one session that are remembered: those that said something last. */
const maxDevices = 100;

/**
 * Writes down that everything up to `seq` has arrived at a device. It never goes back: what an older connection of
 * the device says late changes nothing.
 */
export async function writeReceipt(
  db: Db,
  { sessionId, userId, device }: DeviceOfSession,
  seq: number,
): Promise<void> {
  await db.query({
    name: 'write-receipt',
    text: `with written as (
         insert into receipts as r (session_id, user_id, device, seq) values ($1, $2, $3, $4)
         on conflict (session_id, user_id, device) do update
         set seq = greatest(r.seq, excluded.seq), at = now()
       )
       delete from receipts where session_id = $1 and user_id = $2 and device in (
         select o.device from receipts o where o.session_id = $1 and o.user_id = $2 and o.device <> $3
         order by o.at desc offset $5)`,
    values: [sessionId, userId, device, seq, maxDevices - 1],
  });
}

/** Up to where everything has arrived at a device, as it said itself; 0 where it never did. */
export async function readReceipt(db: Db, { sessionId, userId, device }: DeviceOfSession): Promise<number> {
  const { rows } = await db.query<{ seq: number }>({
    name: 'read-receipt',
    text: 'select seq from receipts where session_id = $1 and user_id = $2 and device = $3',
    values: [sessionId, userId, device],
  });
  return rows[0]?.seq ?? 0;
}
