import type { Logger } from 'pino';
import type { CloseReason } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedId } from '../protocol/feed-id.ts';
import type { Db } from '../store/db.ts';
import { readReceipt } from '../store/receipts.ts';
import { isRevoked, readStanding } from '../store/revocations.ts';
import type { Identity } from './auth.ts';
import { readCredentials } from './credentials.ts';
import { deviceOf } from './device-name.ts';
import { type FrameFilter, feedFilter, filterOf } from './frame-filter.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import { sessionIdOf } from './session-id.ts';
import { whyNot } from './standing.ts';

/** What a WebSocket request says; copied out of it, because it is gone after the handler returns. */
export interface SocketRequest {
  /** null: the caller's own feed. */
  sessionId: string | null;
  query: URLSearchParams;
  authorization: string;
  protocols: string;
}

export interface Granted {
  identity: Identity;
  /** Acquired; whoever takes the grant releases it. */
  hub: SessionHub;
  /** The client has seen the events up to here. */
  lastSeq: number;
  /** What of it the client asked for. */
  filter: FrameFilter | null;
  /** Up to where everything has arrived at this device; null where it has no name, and of a feed. */
  received: { device: string; seq: number } | null;
}

/**
 * Why a socket is let in or not. A refusal is told by a close code after the upgrade, because a browser
 * cannot read a refused upgrade; `invalid` is told by an `error` frame before it.
 */
export type Admission =
  | { granted: Granted }
  | { refused: CloseReason; detail?: string }
  | { invalid: string };

export interface AdmissionDeps {
  db: Db;
  hubs: SessionHubs;
  gatekeeper: Gatekeeper;
  logger: Logger;
  isDraining(): boolean;
}

/** Decides who comes in. Never rejects: what fails becomes a refusal. */
export async function admit(deps: AdmissionDeps, request: SocketRequest): Promise<Admission> {
  try {
    return await check(deps, request);
  } catch (error) {
    if (error instanceof PublicError && error.code === 'unauthorized') return { refused: 'unauthorized' };
    if (error instanceof PublicError && error.code === 'unavailable') {
      return { refused: 'restarting', detail: 'the keys are away; retry_after_ms=1000' };
    }
    if (error instanceof PublicError && error.code === 'validation_error') return { invalid: error.message };
    deps.logger.error({ err: error, session_id: request.sessionId }, 'a connection could not be checked');
    return { refused: 'restarting', detail: 'the store is away; retry_after_ms=1000' };
  }
}

async function check(deps: AdmissionDeps, request: SocketRequest): Promise<Admission> {
  if (deps.isDraining()) return { refused: 'restarting', detail: 'retry_after_ms=1000' };
  const { sessionId, query } = request;
  const identity = await deps.gatekeeper.byCredentials(readCredentials(request), sessionId);
  const place =
    sessionId === null ? await ownFeed(deps, identity) : await allowedPlace(deps, sessionId, identity);
  if ('refused' in place) return place;
  const lastSeq = startingPoint(query);
  const asked = filterOf(query.get('events'));
  const filter = sessionId === null ? feedFilter(asked) : asked;
  const device = deviceOf(query);
  const name = sessionId === null || 'invalid' in device ? null : device.name;
  const received = name === null ? null : await receivedBy(deps.db, place.id, identity, name);
  const hub = await deps.hubs.acquire(place.id);
  const granted = { identity, lastSeq, filter, received };
  return hub ? { granted: { ...granted, hub } } : { refused: 'sessionNotFound' };
}

async function receivedBy(
  db: Db,
  sessionId: string,
  { userId }: Identity,
  device: string,
): Promise<{ device: string; seq: number }> {
  return { device, seq: await readReceipt(db, { sessionId, userId, device }) };
}

type Place = { id: string } | { refused: CloseReason };

async function ownFeed({ db }: AdmissionDeps, identity: Identity): Promise<Place> {
  if (await isRevoked(db, identity)) return { refused: 'unauthorized' };
  return { id: feedId(identity.tenant, identity.userId) };
}

async function allowedPlace({ db }: AdmissionDeps, name: string, identity: Identity): Promise<Place> {
  const id = await sessionIdOf(db, identity, name);
  if (id === null) return { refused: 'sessionNotFound' };
  const refused = whyNot(await readStanding(db, identity, id));
  return refused === null ? { id } : { refused };
}

/**
 * Where delivery begins; without `last_seq` with the first event.
 * @throws PublicError `validation_error`
 */
function startingPoint(query: URLSearchParams): number {
  const text = query.get('last_seq') ?? '0';
  const seq = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seq)) return seq;
  throw new PublicError(
    'validation_error',
    'The query "last_seq" must be a whole number, the seq of the last event that the client has.',
  );
}
