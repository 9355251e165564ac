import { v7 as uuidv7 } from 'uuid';
import { PublicError } from '../protocol/errors.ts';
import type { Participant, ParticipantRole } from '../protocol/frame-parts.ts';
import type { SessionChange } from '../protocol/http.ts';
import { limits } from '../protocol/limits.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import { lockSession, type Tx } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import { checkRight, readParticipants, type Participant as Who } from './participants.ts';
import { stopTurn } from './stop-turn.ts';

/**
 * Changes a session, in the caller's transaction. What is as it should be already changes nothing; `session_updated`
 * says what changed. Those who leave hear of it in their feeds.
 * @throws PublicError `not_found`, `forbidden` (not an owner), `conflict` (no owner would be left),
 * `validation_error` (too many participants)
 */
export async function changeSession(tx: Tx, who: Who, change: SessionChange): Promise<StoredEvent[]> {
  await Promise.all([lockSession(tx, who.sessionId), checkRight(tx, who, 'manage')]);
  const { sessionId } = who;
  const body: EventBody<'session_updated'> = {
    ...(await changeTitle(tx, sessionId, change.title)),
    ...(await changeState(tx, sessionId, change.state)),
  };
  if (change.config?.on_busy !== undefined) await changeOnBusy(tx, sessionId, change.config.on_busy);
  const leaving = await changeParticipants(tx, sessionId, change.participants ?? {});
  if (leaving) body.participants = leaving.staying;
  if (Object.keys(body).length === 0) return [];
  // Before they leave, so that their feeds are told too.
  const events = await appendEvents(tx, sessionId, [
    { key: `session_updated:${uuidv7()}`, type: 'session_updated', body },
  ]);
  if (leaving) await removeParticipants(tx, sessionId, leaving.userIds);
  return events;
}

/**
 * Deletes a session, in the caller's transaction: nobody takes part in it any more, its queued turns end, the running
 * one is marked. Its rows go later (`purgeSessions`).
 * @returns the turn that runs, which is to be told
 * @throws PublicError `not_found`, `forbidden` (not an owner)
 */
export async function deleteSession(tx: Tx, who: Who): Promise<{ running: string | null }> {
  await Promise.all([lockSession(tx, who.sessionId), checkRight(tx, who, 'manage')]);
  const { sessionId } = who;
  const { rows: turns } = await tx.query<{ id: string; status: 'queued' | 'running' }>(
    `select id, status from turns where session_id = $1 and status in ('queued', 'running') order by position desc`,
    [sessionId],
  );
  for (const turn of turns) await stopTurn(tx, turn, { ...who, kind: 'cancel' });
  // For the feeds: those who took part read there that the session is gone.
  await appendEvents(tx, sessionId, [
    { key: 'session_deleted', type: 'session_updated', body: { state: 'closed' } },
  ]);
  await tx.query(`update sessions set state = 'closed', deleted_at = now() where id = $1`, [sessionId]);
  await tx.query('delete from participants where session_id = $1', [sessionId]);
  return { running: turns.find(({ status }) => status === 'running')?.id ?? null };
}

async function changeTitle(
  tx: Tx,
  sessionId: string,
  title: string | undefined,
): Promise<{ title?: string }> {
  if (title === undefined) return {};
  const { rowCount } = await tx.query('update sessions set title = $2 where id = $1 and title <> $2', [
    sessionId,
    title,
  ]);
  return rowCount === 1 ? { title } : {};
}

/** Open again, a session is active or suspended as somebody is there or not; who comes or goes keeps it so. */
async function changeState(
  tx: Tx,
  sessionId: string,
  state: SessionChange['state'],
): Promise<Pick<EventBody<'session_updated'>, 'state'>> {
  if (state === undefined) return {};
  const { rows } = await tx.query<{ state: 'active' | 'suspended' | 'closed' }>(
    state === 'closed'
      ? `update sessions set state = 'closed' where id = $1 and state <> 'closed' returning state`
      : `update sessions set state = case
           when exists (select 1 from connections where session_id = $1) then 'active' else 'suspended' end
         where id = $1 and state = 'closed' returning state`,
    [sessionId],
  );
  return rows[0] ? { state: rows[0].state } : {};
}

async function changeOnBusy(tx: Tx, sessionId: string, onBusy: string): Promise<void> {
  await tx.query(
    `update sessions set config = config || jsonb_build_object('on_busy', $2::text), updated_at = now() where id = $1`,
    [sessionId, onBusy],
  );
}

/** Adds and changes; who is to leave is only found. @returns null where nothing changes */
async function changeParticipants(
  tx: Tx,
  sessionId: string,
  wanted: Record<string, ParticipantRole | null>,
): Promise<{ userIds: string[]; staying: Participant[] } | null> {
  const now = new Map((await readParticipants(tx, sessionId)).map(({ user_id, role }) => [user_id, role]));
  const changed = Object.entries(wanted).filter(([userId, role]) => (now.get(userId) ?? null) !== role);
  if (changed.length === 0) return null;
  for (const [userId, role] of changed) {
    if (role === null) now.delete(userId);
    else now.set(userId, role);
  }
  if (![...now.values()].includes('owner')) {
    throw new PublicError('conflict', 'No owner would be left. Make somebody else an owner first.');
  }
  if (now.size > limits.participantsPerSession) {
    throw new PublicError(
      'validation_error',
      `A session has at most ${limits.participantsPerSession} participants; this would make ${now.size}.`,
    );
  }
  const staying = [...now].map(([user_id, role]) => ({ user_id, role }));
  const seated = changed.flatMap(([user_id, role]) => (role === null ? [] : [{ user_id, role }]));
  await seat(tx, sessionId, seated);
  return { userIds: changed.flatMap(([userId, role]) => (role === null ? [userId] : [])), staying };
}

async function seat(tx: Tx, sessionId: string, people: Participant[]): Promise<void> {
  await tx.query(
    `insert into participants (session_id, user_id, role) select $1, * from unnest($2::text[], $3::text[])
     on conflict (session_id, user_id) do update set role = excluded.role`,
    [sessionId, people.map(({ user_id }) => user_id), people.map(({ role }) => role)],
  );
}

async function removeParticipants(tx: Tx, sessionId: string, userIds: string[]): Promise<void> {
  await tx.query('delete from participants where session_id = $1 and user_id = any($2)', [
    sessionId,
    userIds,
  ]);
  // A maker who left is not kept from what they call by the same key, such as their default session.
  await tx.query('update sessions set client_key = null where id = $1 and made_by = any($2)', [
    sessionId,
    userIds,
  ]);
}
