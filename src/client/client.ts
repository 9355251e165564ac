import type { ApprovalDetails, ApprovalStatus, ApprovalsPage, GrantsPage } from '../protocol/approvals.ts';
import type { AttachmentRef } from '../protocol/frame-parts.ts';
import type { CreateSessionBody, SessionChange, SessionsPage, SessionView } from '../protocol/http.ts';
import type { InputStatus, InputsPage } from '../protocol/inputs.ts';
import type { AckFrame } from '../protocol/live-frames.ts';
import { type Access, Api } from './api.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { type Answer, type Decision, decisionBody } from './frames.ts';
import { type Runtime, type SocketConstructor, systemRuntime } from './runtime.ts';
import { Session } from './session.ts';
import type { SessionOptions } from './session-options.ts';

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

interface PageQuery {
  /** 1 to 200; 50 unless given. */
  limit?: number;
  /** The `next` of the page before. */
  before?: string;
}

/** A client of one gateway. Promises reject with a TurngateError. */
export interface Client {
  /** Opens a session and keeps it open until `close()`. */
  session(id: string, options?: SessionOptions): Session;
  /** What waits for me, and what concerns me in all my sessions; kept open until `close()`. */
  feed(options?: FeedOptions): Feed;
  readonly sessions: {
    /** Newest first. */
    list(page?: PageQuery): Promise<SessionsPage>;
    create(body?: CreateSessionBody): Promise<SessionView>;
    get(id: string): Promise<SessionView>;
    /** A merge patch: what is not there stays, a participant that is null leaves. */
    change(id: string, change: SessionChange): Promise<SessionView>;
    remove(id: string): Promise<void>;
  };
  readonly approvals: {
    /** Those of all my sessions in which I may decide; the last asked for first. */
    list(page?: PageQuery & { status?: ApprovalStatus }): Promise<ApprovalsPage>;
    /** All that is known of one: the tool and its schema, who may decide, what was done to it; also long after. */
    get(toolCallId: string): Promise<ApprovalDetails>;
    /** Decides over HTTP; rejects with `conflict` where another decision stands. */
    decide(toolCallId: string, decision: Decision): Promise<AckFrame>;
  };
  readonly grants: {
    /** The approvals that are remembered: those that I gave, and those for calls of mine. */
    list(page?: PageQuery): Promise<GrantsPage>;
    /** Takes one back: from the next call on people are asked again. */
    revoke(id: string): Promise<void>;
  };
  readonly inputs: {
    /** Questions of all my sessions in which I may answer; the last asked first. */
    list(page?: PageQuery & { status?: InputStatus }): Promise<InputsPage>;
    /** Answers over HTTP; rejects with `conflict` where another answer stands. */
    answer(requestId: string, answer: Answer): Promise<AckFrame>;
  };
  readonly attachments: {
    /** Uploads a file, to be named in a message of this session. */
    upload(sessionId: string, file: Blob, name: string): Promise<AttachmentRef>;
    /** Its bytes; for participants of its session. */
    download(id: string): Promise<Blob>;
  };
  /** A ticket for one WebSocket, for a program that cannot show a token; `expires_at` in milliseconds since 1970. */
  ticket(sessionId?: string): Promise<{ ticket: string; expires_at: number }>;
}

/** Nothing is connected before `session` or `feed` is called. */
export function createClient(options: ClientOptions): Client {
  return clientWith(systemRuntime(options), accessOf(options));
}

function clientWith(runtime: Runtime, access: Access): Client {
  const api = new Api(runtime, access);
  const deps = { access, api };
  const path = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;
  return {
    session: (id, options) => new Session(runtime, deps, id, options),
    feed: (options) => new Feed(runtime, deps, options),
    sessions: {
      list: (page = {}) => api.get(`/v1/sessions${queryOf(page)}`),
      create: (body = {}) => api.ask('POST', '/v1/sessions', body),
      get: (id) => api.get(path(id)),
      change: (id, change) => api.ask('PATCH', path(id), change),
      remove: (id) => api.ask('DELETE', path(id)),
    },
    approvals: {
      list: (page = {}) => api.get(`/v1/approvals${queryOf(page)}`),
      get: (toolCallId) => api.get(`/v1/approvals/${encodeURIComponent(toolCallId)}`),
      decide: (toolCallId, decision) =>
        api.ask('POST', `/v1/approvals/${encodeURIComponent(toolCallId)}`, decisionBody(decision)),
    },
    grants: {
      list: (page = {}) => api.get(`/v1/grants${queryOf(page)}`),
      revoke: (id) => api.ask('DELETE', `/v1/grants/${encodeURIComponent(id)}`),
    },
    inputs: {
      list: (page = {}) => api.get(`/v1/inputs${queryOf(page)}`),
      answer: (requestId, answer) => api.ask('POST', `/v1/inputs/${encodeURIComponent(requestId)}`, answer),
    },
    attachments: {
      upload: (sessionId, file, name) =>
        api.ask('POST', `${path(sessionId)}/attachments${queryOf({ name })}`, file),
      download: (id) => api.bytes(`/v1/attachments/${encodeURIComponent(id)}`),
    },
    ticket: (sessionId) => api.ask('POST', '/v1/tickets', { session_id: sessionId }),
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
