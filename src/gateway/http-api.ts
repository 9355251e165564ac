import { cancelFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { createSessionBody, messagesPage, sessionsPage, sessionView } from '../protocol/http.ts';
import { ackFrame } from '../protocol/server-frames.ts';
import type { Db } from '../store/db.ts';
import { readMessages } from '../store/messages.ts';
import { createSession, getSession, listSessions } from '../store/sessions.ts';
import type { Commands, Done } from './commands.ts';
import { allowedSession, callerOf, noSession } from './http-access.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { pageQuery, valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { readFrame } from './read-frame.ts';

const about = {
  create: { summary: 'Makes a session.', body: createSessionBody, answers: { 201: sessionView } },
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
export function serveSessions(router: HttpRouter, deps: { db: Db; commands: Commands }): void {
  const { db, commands } = deps;

  router.post('/v1/sessions', about.create, async (call, identity) => {
    const { title, agent, config } = valid(createSessionBody, await call.body());
    const owner = { tenant: identity.tenant, userId: identity.userId };
    return { status: 201, body: await createSession(db, { ...owner, title, agent, config }) };
  });

  router.get('/v1/sessions', about.list, async (call, identity) => {
    const { limit, before } = valid(pageQuery, Object.fromEntries(call.query));
    const sessions = await listSessions(db, { ...identity, limit, before });
    const next = sessions.length === limit ? (sessions.at(-1)?.id ?? null) : null;
    return { status: 200, body: { sessions, next } };
  });

  router.get('/v1/sessions/:id', about.read, async (call, identity) => {
    const session = await getSession(db, await allowedSession(db, call, identity));
    if (!session) throw noSession();
    return { status: 200, body: session };
  });

  router.get('/v1/sessions/:id/messages', about.history, async (call, identity) => {
    const { limit, before } = valid(pageQuery, Object.fromEntries(call.query));
    const sessionId = await allowedSession(db, call, identity);
    return { status: 200, body: await readMessages(db, { sessionId, limit, before }) };
  });

  router.post('/v1/sessions/:id/cancel', about.cancel, async (call, identity) => {
    const caller = await callerOf(db, call, identity);
    const frame = readFrame({ ...(await call.body()), type: 'cancel' });
    if (frame.type !== 'cancel') throw new PublicError('processing_error', 'The body became another frame.');
    return accepted(await commands.cancel(caller, frame));
  });
}

function accepted(done: Done): HttpAnswer {
  return { status: 202, body: done.ack, after: () => done.spread() };
}
