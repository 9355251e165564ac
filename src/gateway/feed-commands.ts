import type { InputResponseFrame, ToolApprovalFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedOwner } from '../protocol/feed-id.ts';
import type { Right } from '../protocol/roles.ts';
import type { Db } from '../store/db.ts';
import { sessionOf } from '../store/session-of.ts';
import type { Caller, Commands, Done } from './commands.ts';

/** What frames ask for; the same of a session and of a feed. */
export type FrameCommands = Pick<Commands, 'check' | 'message' | 'decision' | 'input' | 'cancel'>;

/** What clients may ask for over a feed: decisions and answers, in whichever of their sessions something waits. */
export class FeedCommands implements FrameCommands {
  readonly #db: Db;
  readonly #commands: Commands;

  constructor(deps: { db: Db; commands: Commands }) {
    this.#db = deps.db;
    this.#commands = deps.commands;
  }

  /** Who has a feed may see it. */
  async check(_: Caller, right: Right): Promise<void> {
    if (right !== 'see') throw notInFeed();
  }

  /**
   * @param caller whose `sessionId` is their feed's id
   * @throws PublicError as in a session, and `not_found` for a call of a session in which the caller takes no part
   */
  async decision(caller: Caller, frame: ToolApprovalFrame): Promise<Done> {
    const owner = feedOwner(caller.sessionId);
    const call = owner && { ...owner, id: frame.tool_call_id };
    const sessionId = call && (await sessionOf(this.#db, 'tool_calls', call));
    if (sessionId === null) throw new PublicError('not_found', 'There is no such tool call for you.');
    return this.#commands.decision({ ...caller, sessionId }, frame);
  }

  /**
   * @param caller whose `sessionId` is their feed's id
   * @throws PublicError as in a session, and `not_found` for a question of a session in which the caller takes no part
   */
  async input(caller: Caller, frame: InputResponseFrame): Promise<Done> {
    const owner = feedOwner(caller.sessionId);
    const question = owner && { ...owner, id: frame.request_id };
    const sessionId = question && (await sessionOf(this.#db, 'input_requests', question));
    if (sessionId === null) throw new PublicError('not_found', 'There is no such question for you.');
    return this.#commands.input({ ...caller, sessionId }, frame);
  }

  async message(): Promise<Done> {
    throw notInFeed();
  }

  async cancel(): Promise<Done> {
    throw notInFeed();
  }
}

export function notInFeed(): PublicError {
  return new PublicError(
    'validation_error',
    'A feed takes "tool_approval", "input_response", "resume", "auth", "ping" and "pong". Send this to the session.',
  );
}
