export type { ApprovalsPage, ApprovalView } from '../protocol/approvals.ts';
export type { ErrorBody, ErrorCode } from '../protocol/errors.ts';
export type { FeedFrame } from '../protocol/feed-frames.ts';
export type {
  CreateSessionBody,
  MessagesPage,
  MessageView,
  SessionChange,
  SessionView,
} from '../protocol/http.ts';
export type {
  AckFrame,
  AttachmentRef,
  EventFrame,
  LiveFrame,
  Participant,
  ServerFrame,
} from '../protocol/server-frames.ts';
export { type Client, type ClientOptions, createClient, type SessionsPage } from './client.ts';
export { type ClientErrorCode, TurngateError } from './errors.ts';
export type { EventStream, Resync, SessionEvent } from './event-stream.ts';
export type { Feed, FeedEvent, FeedOptions } from './feed.ts';
export type { FeedSnapshot, WaitingApproval } from './feed-state.ts';
export type { DecideOptions, SendOptions } from './frames.ts';
export type { SocketConstructor, SocketLike } from './runtime.ts';
export type { Session, SessionOptions } from './session.ts';
export {
  type Agent,
  type ApprovalRequest,
  type ConnectionState,
  type Json,
  type Message,
  openTurn,
  type QueuedItem,
  type SessionSnapshot,
  type StopCode,
  type ToolCall,
  type Turn,
  undecided,
} from './state.ts';
