import type { ApprovalStatus, ApprovalsPage } from '../protocol/approvals.ts';
import type { CreateSessionBody, SessionChange, SessionView } from '../protocol/http.ts';
import type { AckFrame, AttachmentRef } from '../protocol/server-frames.ts';
import { type Access, Api } from './api.ts';
import { Feed, type FeedOptions } from './feed.ts';
import type { DecideOptions } from './frames.ts';
import { type Runtime, type SocketConstructor, systemRuntime } from './runtime.ts';
import { Session, type SessionOptions } from './session.ts';

export interface ClientOptions {
  /** `https://…`, without a path; a function is asked before each connection and request. */
  url: string | (() => string);
  /**
   * A token of yours; a function is asked before each connection and request, and before a token ends.
   * @param refused the token that the gateway did not accept, where one was: give another
   */
  token: string | ((why: { refused: string | null }) => string | Promise<string>);
  fetch?: typeof fetch;
  /** For Node 20, which has none: that of `ws`. */
  WebSocket?: SocketConstructor;
  /** Hears what listeners of yours threw; `console.error` unless given. */
  onListenerError?: (error: unknown) => void;
}

export interface SessionsPage {
  sessions: SessionView[];
  /** Pass as `before` to read older ones; null: there are none. */
  next: string | null;
}

export type Client = ReturnType<typeof createClient>;

/** A client of one gateway. Nothing is connected before `session` or `feed` is called. */
export function createClient(options: ClientOptions) {
  return clientWith(systemRuntime(options), accessOf(options));
}

function clientWith(runtime: Runtime, access: Access) {
  const api = new Api(runtime, access);
  const path = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;
  return {
    /** Opens a session and keeps it open until `close()`. */
    session: (id: string, options: SessionOptions = {}) => new Session(runtime, { access, api }, id, options),
    sessions: {
      /** Newest first. */
      list: (page: { limit?: number; before?: string } = {}) =>
        api.get<SessionsPage>(`/v1/sessions${queryOf(page)}`),
      create: (body: CreateSessionBody = {}) => api.ask<SessionView>('POST', '/v1/sessions', body),
      get: (id: string) => api.get<SessionView>(path(id)),
      /** A merge patch: what is not there stays, a participant that is null leaves. */
      change: (id: string, change: SessionChange) => api.ask<SessionView>('PATCH', path(id), change),
      remove: (id: string) => api.ask<undefined>('DELETE', path(id)),
    },
    /** What waits for me, and what concerns me in all my sessions; kept open until `close()`. */
    feed: (options: FeedOptions = {}) => new Feed(runtime, { access, api }, options),
    approvals: {
      /** Those of all my sessions in which I may decide; the last asked for first. */
      list: (page: { status?: ApprovalStatus; limit?: number; before?: string } = {}) =>
        api.get<ApprovalsPage>(`/v1/approvals${queryOf(page)}`),
      /** Decides over HTTP; rejects with `conflict` where another decision stands. */
      decide: (toolCallId: string, approved: boolean, options: Omit<DecideOptions, 'id'> = {}) => {
        const { reason, argumentsHash } = options;
        const body = { approved, reason, arguments_hash: argumentsHash };
        return api.ask<AckFrame>('POST', `/v1/approvals/${encodeURIComponent(toolCallId)}`, body);
      },
    },
    attachments: {
      /** Uploads a file, to be named in a message of this session. */
      upload: (sessionId: string, file: Blob, name: string) =>
        api.ask<AttachmentRef>('POST', `${path(sessionId)}/attachments${queryOf({ name })}`, file),
      /** Its bytes; for participants of its session. */
      download: (id: string) => api.bytes(`/v1/attachments/${encodeURIComponent(id)}`),
    },
    /** A ticket for one WebSocket, for a program that cannot show a token. */
    ticket: (sessionId?: string) =>
      api.ask<{ ticket: string; expires_at: number }>('POST', '/v1/tickets', { session_id: sessionId }),
  };
}

function accessOf({ url, token }: ClientOptions): Access {
  return {
    url: () => (typeof url === 'function' ? url() : url),
    token: async (refused) => (typeof token === 'function' ? token({ refused }) : token),
  };
}

function queryOf(fields: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  const text = String(query);
  return text === '' ? '' : `?${text}`;
}
