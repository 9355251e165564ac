import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { LivePlane } from '../live/port.ts';
import { publishEvents } from '../live/publish-events.ts';
import {
  attachmentIds,
  type ClientFrame,
  type InputResponseFrame,
  type MessageFrame,
  type ToolApprovalFrame,
} from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import type { AckFrame } from '../protocol/live-frames.ts';
import type { Right } from '../protocol/roles.ts';
import type { Db } from '../store/db.ts';
import { decide } from '../store/decisions.ts';
import { acceptMessage } from '../store/messages.ts';
import { checkRight } from '../store/participants.ts';
import { answerQuestion } from '../store/questions.ts';
import { requestCancel } from '../store/turns.ts';
import type { TurnClient } from '../temporal/turn-client.ts';
import type { InFlight } from './in-flight.ts';

type CancelFrame = Extract<ClientFrame, { type: 'cancel' }>;

/** Who asks, and in which session they take part. */
export interface Caller {
  sessionId: string;
  userId: string;
  /** The way they came, for the record of a decision. */
  via: 'websocket' | 'socket_io' | 'http';
  /** The client's; null where it is not known. */
  address: string | null;
}

/** A change that is committed: `ack` goes out first, then `spread` tells everybody else. */
export interface Done {
  ack: AckFrame;
  /** Publishes and signals. Never throws, not awaited: what fails here the reconciler makes good. */
  spread(): void;
}

/** What clients may ask for, the same over WebSocket and HTTP: commit, then ack, then spread. */
export class Commands {
  readonly #db: Db;
  readonly #live: LivePlane;
  readonly #turns: TurnClient;
  readonly #inFlight: InFlight;
  readonly #attachmentsMax: number;
  readonly #logger: Logger;

  constructor(deps: {
    db: Db;
    live: LivePlane;
    turns: TurnClient;
    inFlight: InFlight;
    /** Attachments of one message. */
    attachmentsMax: number;
    logger: Logger;
  }) {
    this.#db = deps.db;
    this.#live = deps.live;
    this.#turns = deps.turns;
    this.#inFlight = deps.inFlight;
    this.#attachmentsMax = deps.attachmentsMax;
    this.#logger = deps.logger;
  }

  /**
   * For what commits nothing: whether the caller may now. The others check it with what they commit.
   * @throws PublicError `forbidden`, `not_found`, `conflict` (the session is closed)
   */
  check(caller: Caller, right: Right): Promise<void> {
    return checkRight(this.#db, caller, right);
  }

  /** @throws PublicError `conflict`, `busy`, `not_found`, `forbidden` */
  async message(caller: Caller, frame: MessageFrame): Promise<Done> {
    const { sessionId, userId } = caller;
    const id = frame.id ?? uuidv7();
    const attachments = this.#attachmentsOf(frame);
    const accepted = await acceptMessage(this.#db, {
      sessionId,
      userId,
      clientMessageId: id,
      content: frame.content,
      attachmentIds: attachments,
      onBusy: frame.on_busy,
      // As with a decision: whoever is woken waits for the session's lock. A message sent again has woken its session before,
      // and one that is steered waits for a step that comes.
      onAccepting: (turnId) => this.#signal({ sessionId, turnId }, this.#turns.wake({ sessionId, userId })),
    });
    const { turnId, messageId, disposition, stoppingTurnId, events } = accepted;
    this.#logger.info({ session_id: sessionId, turn_id: turnId, disposition }, 'message accepted');
    return {
      ack: { type: 'ack', id, turn_id: turnId, message_id: messageId, disposition },
      spread: () => {
        publishEvents(this.#live, sessionId, events);
        if (stoppingTurnId !== null) this.stop(sessionId, stoppingTurnId);
      },
    };
  }

  /** @throws PublicError `not_found` (unknown call), `forbidden`, `conflict` (other arguments wait than were shown) */
  async decision(caller: Caller, frame: ToolApprovalFrame): Promise<Done> {
    const { sessionId } = caller;
    const { tool_call_id: toolCallId, approved, reason } = frame;
    const why = reason === undefined ? {} : { reason };
    const outcome = await decide(this.#db, {
      sessionId,
      toolCallId,
      approved,
      decidedBy: caller.userId,
      via: caller.via,
      address: caller.address,
      reason,
      arguments: frame.arguments,
      remember: frame.remember,
      argumentsHash: frame.arguments_hash,
      toolHash: frame.tool_hash,
      round: frame.round,
      // Sent while it is being written: the worker that it wakes waits for the session's lock, so it finds the row, or, if
      // the commit fails, none, and the gate stays closed. The same decision again changes nothing and wakes nobody.
      onDeciding: ({ decisionId, turnId }) => {
        const payload = { tool_call_id: toolCallId, approved, decision_id: decisionId, ...why };
        this.#signal({ sessionId, turnId, toolCallId }, this.#turns.approval(sessionId, payload));
      },
    });
    const id = frame.id === undefined ? {} : { id: frame.id };
    const { kind } = outcome;
    this.#logger.info({ session_id: sessionId, tool_call_id: toolCallId, kind }, 'decision taken in');
    if (kind === 'conflict') {
      const { decision } = outcome;
      return { ack: { type: 'ack', ...id, disposition: 'conflict', decision }, spread: () => undefined };
    }
    if (kind === 'voted') {
      const { approvals, needed, events } = outcome;
      return {
        ack: { type: 'ack', ...id, turn_id: outcome.turnId, disposition: 'recorded', approvals, needed },
        spread: () => {
          if (events.length === 0) return;
          publishEvents(this.#live, sessionId, events);
          const { turnId } = outcome;
          const seen = { tool_call_id: toolCallId, approved, vote: true } as const;
          this.#signal({ sessionId, turnId, toolCallId }, this.#turns.approval(sessionId, seen));
        },
      };
    }
    const { turnId, decision, events } = outcome;
    return {
      ack: { type: 'ack', ...id, turn_id: turnId, disposition: 'recorded', decision },
      spread: () => {
        if (events.length > 0) publishEvents(this.#live, sessionId, events);
      },
    };
  }

  /** @throws PublicError `not_found` (unknown question), `forbidden`, `validation_error` (the content does not fit) */
  async input(caller: Caller, frame: InputResponseFrame): Promise<Done> {
    const { sessionId, userId, via } = caller;
    const { request_id: requestId, action, content } = frame;
    const answered = await answerQuestion(this.#db, { sessionId, requestId, userId, action, content, via });
    const { kind, turnId, input, events } = answered;
    this.#logger.info({ session_id: sessionId, request_id: requestId, kind }, 'answer taken in');
    const id = frame.id === undefined ? {} : { id: frame.id };
    const turn = kind === 'conflict' ? {} : { turn_id: turnId };
    return {
      ack: { type: 'ack', ...id, ...turn, disposition: kind, input },
      spread: () => {
        if (events.length === 0) return;
        publishEvents(this.#live, sessionId, events);
        this.#live.nudge({ kind: 'input', turnId });
        this.#signal({ sessionId, turnId }, this.#turns.input(sessionId, { request_id: requestId }));
      },
    };
  }

  /** @throws PublicError `not_found` when nothing runs or that turn is unknown, `forbidden` */
  async cancel(caller: Caller, frame: CancelFrame): Promise<Done> {
    const { sessionId, userId } = caller;
    const { turnId, running, events } = await requestCancel(this.#db, {
      sessionId,
      userId,
      ...(frame.turn_id === undefined ? {} : { turnId: frame.turn_id }),
    });
    this.#logger.info({ session_id: sessionId, turn_id: turnId, running }, 'cancel requested');
    return {
      ack: { type: 'ack', ...(frame.id === undefined ? {} : { id: frame.id }), turn_id: turnId },
      spread: () => {
        publishEvents(this.#live, sessionId, events);
        if (running) this.stop(sessionId, turnId);
      },
    };
  }

  /** A running turn that is marked in the store hears of it: at once by the live plane, surely by Temporal. */
  stop(sessionId: string, turnId: string): void {
    this.#live.nudge({ kind: 'cancel', turnId });
    this.#signal({ sessionId, turnId }, this.#turns.cancel(sessionId, turnId));
  }

  #attachmentsOf(frame: MessageFrame): string[] {
    const ids = attachmentIds(frame);
    if (ids.length <= this.#attachmentsMax) return ids;
    throw new PublicError(
      'validation_error',
      `Field "attachments": a message takes at most ${this.#attachmentsMax}, and this one has ${ids.length}.`,
    );
  }

  #signal(ids: { sessionId: string; turnId: string; toolCallId?: string }, signal: Promise<void>): void {
    const { sessionId, turnId, toolCallId } = ids;
    const signalled = signal.catch((error: unknown) => {
      const fields = { err: error, session_id: sessionId, turn_id: turnId, tool_call_id: toolCallId };
      this.#logger.warn(fields, 'Temporal was not told; the reconciler tells it');
    });
    void this.#inFlight.track(signalled);
  }
}
