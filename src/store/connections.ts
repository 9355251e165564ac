import type { Db, Tx } from './db.ts';

/** One connection of a user, in a session or (null) apart from any. */
export interface ConnectionRow {
  connectionId: string;
  sessionId: string | null;
  tenant: string;
  userId: string;
  /** Unique among the user's connections to the session. */
  device: string;
  tokenId: string | null;
  /** When the device dialled, by its own clock in milliseconds; null where it does not say. */
  dialledAt: number | null;
}

export interface Registered {
  epoch: number;
  /** The gateway of the connection whose place was taken; it finds the closure there. */
  replacedOn: string | null;
}

/**
 * Commits of these rows need no disk: a connection does not outlive the process, and a gateway writes anew what a
 * crash of Postgres lost. Part of a select list, so that it costs no round trip of its own.
 */
const atOnce = `set_config('synchronous_commit', 'off', true)`;

/** No connection is on its way for longer; where more lies between two, the device's clock was set back. */
const longestWayMs = 60_000;

/**
 * Registers a connection in one statement. Whoever had its session, user and device is replaced: the row's lock puts
 * connections that come at once in one order, and the last of them stays. The same statement asks the older one's
 * gateway to close it.
 * @param maxOfUser 0 is none
 * @returns `full` when the user has `maxOfUser` connections besides the one that would be replaced; `outdated` when the
 * one that has the place was dialled later, because this one was long on its way
 */
export async function registerConnection(
  db: Db,
  gatewayId: string,
  row: ConnectionRow,
  maxOfUser: number,
): Promise<Registered | 'full' | 'outdated'> {
  const { rows } = await db.query<{ has_room: boolean; epoch: number | null; replaced_on: string | null }>({
    name: 'register-connection',
    text: `with room as (
         select $8 = 0 or count(*) < $8 as has_room from connections o
         where $8 > 0 and o.tenant = $3 and o.user_id = $4
           and (o.session_id, o.device) is distinct from ($2, $5)
       ), taken as (
         insert into connections as c
           (connection_id, session_id, tenant, user_id, device, epoch, gateway_id, token_id, dialled_at)
         select $1, $2, $3, $4, $5, nextval('connection_epochs'), $6, $7, $9::bigint from room where has_room
         on conflict (session_id, user_id, device) where session_id is not null do update
         set connection_id = excluded.connection_id, epoch = nextval('connection_epochs'),
             gateway_id = excluded.gateway_id, token_id = excluded.token_id, connected_at = now(),
             dialled_at = excluded.dialled_at,
             replaced_id = c.connection_id, replaced_gateway_id = c.gateway_id
         where c.dialled_at is null or excluded.dialled_at is null
           or not (c.dialled_at - excluded.dialled_at between 1 and $10)
         returning epoch, replaced_id, replaced_gateway_id
       ), told as (
         insert into closures (gateway_id, connection_id, reason)
         select replaced_gateway_id, replaced_id, 'replaced' from taken where replaced_id is not null
       )
       select has_room, epoch, replaced_gateway_id as replaced_on, ${atOnce} from room left join taken on true`,
    values: [
      row.connectionId,
      row.sessionId,
      row.tenant,
      row.userId,
      row.device,
      gatewayId,
      row.tokenId,
      maxOfUser,
      row.dialledAt,
      longestWayMs,
    ],
  });
  const answer = rows[0];
  if (!answer?.has_room) return 'full';
  return answer.epoch === null ? 'outdated' : { epoch: answer.epoch, replacedOn: answer.replaced_on };
}

/** Says on which token a connection lives from now on. */
export async function setConnectionToken(db: Db, connectionId: string, tokenId: string): Promise<void> {
  await db.query({
    name: 'set-connection-token',
    text: 'update connections set token_id = $2 where connection_id = $1',
    values: [connectionId, tokenId],
  });
}

/**
 * The end of a statement's `with`, after `gone`, which has the `session_id` of removed connections: their sessions, as
 * `left_ones`, are looked at when the grace is over, whether anybody is there.
 * @param graceMs the statement's parameter for it, such as `$2`
 */
export function lookedAtLater(graceMs: `$${number}`): string {
  return `left_ones as (
         select distinct session_id from gone where session_id is not null order by session_id
       ), looked_at as (
         insert into vacancies (session_id, due_at)
         select session_id, now() + make_interval(secs => ${graceMs} / 1000.0) from left_ones
         on conflict (session_id) do update set due_at = excluded.due_at
       )`;
}

/**
 * Removes connections that have ended. Their sessions are looked at `graceMs` later, whether anybody is there.
 * @returns the sessions that they were in
 */
export async function removeConnections(db: Db, connectionIds: string[], graceMs: number): Promise<string[]> {
  const { rows } = await db.query<{ session_id: string }>({
    name: 'remove-connections',
    text: `with gone as (
         delete from connections where connection_id = any($1) returning session_id
       ), ${lookedAtLater('$2')}
       select session_id, ${atOnce} from left_ones`,
    values: [connectionIds, graceMs],
  });
  return rows.map((row) => row.session_id);
}

/** Ids of all connections that the store has for a gateway. */
export async function connectionsOf(db: Db, gatewayId: string): Promise<string[]> {
  const { rows } = await db.query<{ connection_id: string }>({
    name: 'connections-of',
    text: 'select connection_id from connections where gateway_id = $1',
    values: [gatewayId],
  });
  return rows.map((row) => row.connection_id);
}

/**
 * Writes connections anew whose rows were lost, each under the epoch it has; a newer one keeps its place.
 * @param rows at most one for each session, user and device
 * @returns the ids of those that have a row now
 */
export async function restoreConnections(
  db: Db,
  gatewayId: string,
  rows: (ConnectionRow & { epoch: number })[],
): Promise<Set<string>> {
  const restored = await db.query<{ connection_id: string }>({
    name: 'restore-connections',
    text: `insert into connections as c
         (connection_id, session_id, tenant, user_id, device, epoch, gateway_id, token_id, dialled_at)
       select r.connection_id, r.session_id, r.tenant, r.user_id, r.device, r.epoch, $1, r.token_id, r.dialled_at
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[])
         as r(connection_id, session_id, tenant, user_id, device, epoch, token_id, dialled_at)
       order by r.session_id, r.user_id, r.device
       on conflict (session_id, user_id, device) where session_id is not null do update
       set connection_id = excluded.connection_id, epoch = excluded.epoch, gateway_id = excluded.gateway_id,
           token_id = excluded.token_id, dialled_at = excluded.dialled_at
       where c.epoch < excluded.epoch
       returning connection_id`,
    values: [
      gatewayId,
      rows.map((row) => row.connectionId),
      rows.map((row) => row.sessionId),
      rows.map((row) => row.tenant),
      rows.map((row) => row.userId),
      rows.map((row) => row.device),
      rows.map((row) => row.epoch),
      rows.map((row) => row.tokenId),
      rows.map((row) => row.dialledAt),
    ],
  });
  return new Set(restored.rows.map((row) => row.connection_id));
}

/** Which connections; every field that is given narrows the choice. */
export interface ConnectionChoice {
  tenant: string;
  userId?: string;
  sessionId?: string;
  tokenId?: string;
}

/**
 * Asks for connections to be closed, in the caller's transaction: committed with it, or not at all.
 * @param reason a name of src/protocol/close-codes.ts
 * @returns the gateways to nudge after the commit; without a nudge they look within about half a second
 */
export async function askToClose(db: Db | Tx, choice: ConnectionChoice, reason: string): Promise<string[]> {
  const { rows } = await db.query<{ gateway_id: string }>({
    name: 'ask-to-close',
    text: `with asked as (
         insert into closures (gateway_id, connection_id, reason)
         select gateway_id, connection_id, $5 from connections
         where tenant = $1 and ($2::text is null or user_id = $2)
           and ($3::text is null or session_id = $3) and ($4::text is null or token_id = $4)
         returning gateway_id)
       select distinct gateway_id from asked`,
    values: [choice.tenant, choice.userId ?? null, choice.sessionId ?? null, choice.tokenId ?? null, reason],
  });
  return rows.map((row) => row.gateway_id);
}
