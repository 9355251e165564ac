import { lookedAtLater } from './connections.ts';
import type { Db } from './db.ts';

/**
 * Says that a gateway lives.
 * @returns true when it was not known: it has just begun, or was taken for dead and its connections were removed
 */
export async function beatGateway(db: Db, gatewayId: string): Promise<boolean> {
  const { rows } = await db.query<{ is_new: boolean }>({
    name: 'beat-gateway',
    text: `insert into gateways (id) values ($1)
           on conflict (id) do update set seen_at = now()
           returning (xmax = 0) as is_new, set_config('synchronous_commit', 'off', true)`,
    values: [gatewayId],
  });
  return rows[0]?.is_new ?? true;
}

/** Takes the connections that this gateway is to close: whoever reads them closes them, or dies with them. */
export async function takeClosures(
  db: Db,
  gatewayId: string,
): Promise<{ connectionId: string; reason: string }[]> {
  const { rows } = await db.query<{ connection_id: string; reason: string }>({
    name: 'take-closures',
    text: 'delete from closures where gateway_id = $1 returning connection_id, reason',
    values: [gatewayId],
  });
  return rows.map((row) => ({ connectionId: row.connection_id, reason: row.reason }));
}

/**
 * Removes gateways that have not been seen for `deadMs`, with all that was theirs; and `gatewayId` itself when it
 * leaves. Their sessions are looked at `graceMs` later.
 * @returns the sessions that lost a connection
 */
export async function removeGateways(
  db: Db,
  dead: { gatewayId: string } | { deadMs: number },
  graceMs: number,
): Promise<string[]> {
  const { rows } = await db.query<{ session_id: string }>({
    name: 'remove-gateways',
    text: `with dead as (
         select id from gateways
         where id = $1 or seen_at < now() - make_interval(secs => $2 / 1000.0) for update skip locked
       ), forgotten as (delete from gateways using dead where gateways.id = dead.id
       ), unheard as (delete from closures using dead where gateway_id = dead.id
       ), gone as (
         delete from connections using dead where gateway_id = dead.id returning session_id
       ), ${lookedAtLater('$3')}
       select session_id from left_ones`,
    values: ['gatewayId' in dead ? dead.gatewayId : null, 'deadMs' in dead ? dead.deadMs : null, graceMs],
  });
  return rows.map((row) => row.session_id);
}

/**
 * Removes what belongs to no gateway: rows that were written while their gateway was being removed. A gateway that
 * lives after all writes its own anew.
 * @returns the sessions that lost a connection
 */
export async function removeOrphans(db: Db, olderThanMs: number, graceMs: number): Promise<string[]> {
  const { rows } = await db.query<{ session_id: string }>({
    name: 'remove-orphans',
    text: `with old as (select now() - make_interval(secs => $1 / 1000.0) as at
       ), unheard as (
         delete from closures using old where closures.at < old.at
         and not exists (select 1 from gateways g where g.id = closures.gateway_id)
       ), gone as (
         delete from connections using old where connected_at < old.at
         and not exists (select 1 from gateways g where g.id = connections.gateway_id) returning session_id
       ), ${lookedAtLater('$2')}
       select session_id from left_ones`,
    values: [olderThanMs, graceMs],
  });
  return rows.map((row) => row.session_id);
}
