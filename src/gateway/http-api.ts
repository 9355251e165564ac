import { cancelFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import type { Participant, ParticipantRole } from '../protocol/frame-parts.ts';
import {
  createSessionBody,
  messagesPage,
  type SessionView,
  sessionChange,
  sessionsPage,
  sessionView,
} from '../protocol/http.ts';
import { ackFrame } from '../protocol/live-frames.ts';
import type { Db } from '../store/db.ts';
import { readMessages } from '../store/message-pages.ts';
import { createSessionOnce, findSessionByKey, getSession, listSessions } from '../store/sessions.ts';
import type { Commands, Done } from './commands.ts';
import { allowedSession, callerOf, noSession } from './http-access.ts';
import { type Agents, checkAgent } from './http-agents.ts';
import type { HttpAnswer } from './http-answer.ts';
import type { HttpCall } from './http-call.ts';
import { pageQuery, readQuery, valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { bodyAs } from './read-frame.ts';
import type { SessionAdmin } from './session-admin.ts';

const about = {
  create: {
    summary: 'Makes a session; with an `id` of yours, sending it again is safe.',
    body: createSessionBody,
    answers: { 200: sessionView, 201: sessionView },
  },
  change: {
    summary:
      'Changes a session, as an owner: title, closed or open, who takes part, what messages do when it is busy.',
    body: sessionChange,
    answers: { 200: sessionView },
  },
  remove: { summary: 'Deletes a session, as an owner.', answers: { 204: null } },
  list: { summary: 'Your sessions, newest first.', query: pageQuery, answers: { 200: sessionsPage } },
  read: { summary: 'One session.', answers: { 200: sessionView } },
  history: {
    summary: 'The conversation, a page oldest first, of one moment.',
    query: pageQuery,
    answers: { 200: messagesPage },
  },
  cancel: {
    summary: 'Stops a turn, or the running one.',
    body: cancelFrame.omit({ type: true }),
    answers: { 202: ackFrame },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/sessions…`: sessions, their history, and cancelling. */
export function serveSessions(
  router: HttpRouter,
  deps: { db: Db; commands: Commands; admin: SessionAdmin; agents: Agents },
): void {
  const { db, commands, admin, agents } = deps;

  router.post('/v1/sessions', about.create, async (call, identity) => {
    const { id: key, participants, ...rest } = valid(createSessionBody, withKey(call, await call.body()));
    const { tenant, userId } = identity;
    const others = othersOf(participants ?? {}, userId);
    // One that was made is answered again, also when its agent is gone.
    const isMade = key !== undefined && (await findSessionByKey(db, { tenant, userId, key })) !== undefined;
    if (rest.agent !== undefined && !isMade) await checkAgent(agents, rest.agent);
    const made = await createSessionOnce(db, { ...rest, tenant, userId, key, participants: others });
    if (made.isNew) return { status: 201, body: made.session };
    return { status: 200, body: await readSession(db, made.session.id, userId) };
  });

  router.get('/v1/sessions', about.list, async (call, identity) => {
    return { status: 200, body: await listSessions(db, { ...identity, ...readQuery(pageQuery, call) }) };
  });

  router.get('/v1/sessions/:id', about.read, async (call, identity) => {
    const sessionId = await allowedSession(db, call, identity);
    return { status: 200, body: await readSession(db, sessionId, identity.userId) };
  });

  router.patch('/v1/sessions/:id', about.change, async (call, identity) => {
    const owner = { ...(await callerOf(db, call, identity)), tenant: identity.tenant };
    await admin.change(owner, valid(sessionChange, await call.body()));
    return { status: 200, body: await readSession(db, owner.sessionId, identity.userId) };
  });

  router.delete('/v1/sessions/:id', about.remove, async (call, identity) => {
    await admin.delete({ ...(await callerOf(db, call, identity)), tenant: identity.tenant });
    return { status: 204, body: undefined };
  });

  router.get('/v1/sessions/:id/messages', about.history, async (call, identity) => {
    const query = readQuery(pageQuery, call);
    const sessionId = await allowedSession(db, call, identity);
    return { status: 200, body: await readMessages(db, { sessionId, ...query }) };
  });

  router.post('/v1/sessions/:id/cancel', about.cancel, async (call, identity) => {
    const caller = await callerOf(db, call, identity);
    return accepted(await commands.cancel(caller, bodyAs('cancel', await call.body())));
  });
}

/** The header `Idempotency-Key` says the same as an `id` in the body, which wins. */
function withKey(call: HttpCall, body: object): object {
  return call.idempotencyKey === '' ? body : { id: call.idempotencyKey, ...body };
}

async function readSession(db: Db, sessionId: string, userId: string): Promise<SessionView> {
  const session = await getSession(db, sessionId, userId);
  if (!session) throw noSession();
  return session;
}

/** @throws PublicError `validation_error`: who makes a session is an owner of it */
function othersOf(people: Record<string, ParticipantRole>, maker: string): Participant[] {
  if ((people[maker] ?? 'owner') !== 'owner') {
    throw new PublicError('validation_error', 'Field "participants": you make it, so you are an owner.');
  }
  return Object.entries(people).flatMap(([user_id, role]) => (user_id === maker ? [] : [{ user_id, role }]));
}

function accepted(done: Done): HttpAnswer {
  return { status: 202, body: done.ack, after: () => done.spread() };
}
