export type {
  ApprovalDetails,
  ApprovalsPage,
  ApprovalView,
  GrantsPage,
  GrantView,
} from '../protocol/approvals.ts';
export type { ErrorBody, ErrorCode } from '../protocol/errors.ts';
export type { FeedFrame } from '../protocol/feed-frames.ts';
export type { AttachmentRef, Participant } from '../protocol/frame-parts.ts';
export type {
  CreateSessionBody,
  MessagesPage,
  MessageView,
  SessionChange,
  SessionsPage,
  SessionView,
} from '../protocol/http.ts';
export type { InputsPage, InputView } from '../protocol/inputs.ts';
export type { AckFrame, LiveFrame } from '../protocol/live-frames.ts';
export type { EventFrame, ServerFrame } from '../protocol/server-frames.ts';
export { type Client, type ClientOptions, createClient } from './client.ts';
export { type ClientErrorCode, TurngateError } from './errors.ts';
export type { EventStream, Resync, SessionEvent } from './event-stream.ts';
export type { Feed, FeedEvent, FeedOptions } from './feed.ts';
export type { FeedSnapshot, WaitingApproval, WaitingInput } from './feed-state.ts';
export { type FormField, formFields, readField } from './form.ts';
export type { Answer, Decision, SendOptions } from './frames.ts';
export { gateWords } from './gate-words.ts';
export type { SocketConstructor, SocketLike } from './runtime.ts';
export type { Session } from './session.ts';
export type { SessionOptions } from './session-options.ts';
export { isAllSeen, shownJson } from './shown-json.ts';
export {
  type Agent,
  type ApprovalRequest,
  type ConnectionState,
  type Decided,
  type GivenApproval,
  isDeciding,
  type Json,
  type LateResult,
  type Message,
  openTurn,
  type QueuedItem,
  type ResolvedInput,
  type SessionSnapshot,
  type StopCode,
  type ToolCall,
  type Turn,
  undecided,
  waitsForMe,
} from './state.ts';
