import { z } from 'zod';
import { cancelFrame, messageFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import {
  createSessionBody,
  type EventsPage,
  eventsPage,
  messagesPage,
  sessionsPage,
  sessionView,
} from '../protocol/http.ts';
import { notTakingPart } from '../protocol/roles.ts';
import { ackFrame } from '../protocol/server-frames.ts';
import type { Db } from '../store/db.ts';
import { lastSeqs, maySee, readEvents } from '../store/events.ts';
import { readMessages } from '../store/messages.ts';
import { createSession, getSession, listSessions, sessionAccess } from '../store/sessions.ts';
import type { Identity } from './auth.ts';
import type { Caller, Commands, Done } from './commands.ts';
import type { HttpAnswer, HttpCall } from './http-exchange.ts';
import { pageLimit, pageQuery, valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { readFrame } from './read-frame.ts';
import { sessionIdPattern } from './session-id.ts';

const eventsQuery = z.object({ limit: pageLimit, after: z.coerce.number().int().min(0).default(0) });

const about = {
  create: { summary: 'Makes a session.', body: createSessionBody, answers: { 201: sessionView } },
  list: { summary: 'Your sessions, newest first.', query: pageQuery, answers: { 200: sessionsPage } },
  read: { summary: 'One session.', answers: { 200: sessionView } },
  history: {
    summary: 'The conversation, a page oldest first, of one moment.',
    query: pageQuery,
    answers: { 200: messagesPage },
  },
  events: {
    summary: 'Events after a seq, in their order.',
    query: eventsQuery,
    answers: { 200: eventsPage },
  },
  say: {
    summary: 'Sends a message; with an `id`, sending it again is safe.',
    body: messageFrame.omit({ type: true }),
    answers: { 202: ackFrame },
  },
  cancel: {
    summary: 'Stops a turn, or the running one.',
    body: cancelFrame.omit({ type: true }),
    answers: { 202: ackFrame },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/sessions…`: sessions, their history and events, and the commands that also come as frames. */
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
    const session = await getSession(db, await allowed(db, call, identity));
    if (!session) throw noSession();
    return { status: 200, body: session };
  });

  router.get('/v1/sessions/:id/messages', about.history, async (call, identity) => {
    const { limit, before } = valid(pageQuery, Object.fromEntries(call.query));
    const sessionId = await allowed(db, call, identity);
    return { status: 200, body: await readMessages(db, { sessionId, limit, before }) };
  });

  router.get('/v1/sessions/:id/events', about.events, async (call, identity) => {
    const { limit, after } = valid(eventsQuery, Object.fromEntries(call.query));
    const sessionId = await allowed(db, call, identity);
    return {
      status: 200,
      body: await readEventsPage(db, { sessionId, userId: identity.userId, after, limit }),
    };
  });

  router.post('/v1/sessions/:id/messages', about.say, async (call, identity) => {
    const caller = await callerOf(db, call, identity);
    const frame = readFrame({ ...(await call.body()), type: 'message' });
    if (frame.type !== 'message') throw new PublicError('processing_error', 'The body became another frame.');
    return accepted(await commands.message(caller, frame));
  });

  router.post('/v1/sessions/:id/cancel', about.cancel, async (call, identity) => {
    const caller = await callerOf(db, call, identity);
    const frame = readFrame({ ...(await call.body()), type: 'cancel' });
    if (frame.type !== 'cancel') throw new PublicError('processing_error', 'The body became another frame.');
    return accepted(await commands.cancel(caller, frame));
  });
}

/** A page of what this user may see. `next` is the `after` of the next page, and `resync` says what is not kept. */
async function readEventsPage(
  db: Db,
  { userId, ...range }: { sessionId: string; userId: string; after: number; limit: number },
): Promise<EventsPage> {
  const { sessionId, after, limit } = range;
  // In this order: what is not in the page up to here was removed.
  const last_seq = (await lastSeqs(db, [sessionId])).get(sessionId) ?? 0;
  const page = await readEvents(db, range);
  const first = page[0]?.frame.seq ?? last_seq + 1;
  const reached = page.at(-1)?.frame.seq ?? last_seq;
  return {
    ...(first > after + 1 ? { resync: { reason: 'retention', last_seq: first - 1 } } : {}),
    events: page.filter(({ audience }) => maySee(audience, userId)).map(({ frame }) => frame),
    last_seq: Math.max(last_seq, reached),
    next: page.length < limit ? null : reached,
  };
}

function accepted(done: Done): HttpAnswer {
  return { status: 202, body: done.ack, after: () => done.spread() };
}

async function callerOf(db: Db, call: HttpCall, identity: Identity): Promise<Caller> {
  return { sessionId: await allowed(db, call, identity), userId: identity.userId, via: 'http' };
}

/** The id of the session in the path, where the caller takes part in it. */
async function allowed(db: Db, call: HttpCall, identity: Identity): Promise<string> {
  const sessionId = call.id;
  if (!sessionIdPattern.test(sessionId)) throw noSession();
  const access = await sessionAccess(db, { sessionId, tenant: identity.tenant, userId: identity.userId });
  if (access === 'missing') throw noSession();
  if (access === 'denied') {
    throw notTakingPart();
  }
  return sessionId;
}

function noSession(): PublicError {
  return new PublicError('not_found', 'There is no such session.');
}
