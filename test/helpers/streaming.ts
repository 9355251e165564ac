import { randomUUID } from 'node:crypto';
import type { LivePlane, SessionMessage } from '../../src/live/port.ts';
import { publishEvents } from '../../src/live/publish-events.ts';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import type { Db } from '../../src/store/db.ts';
import { writeDrafts } from '../../src/store/drafts.ts';
import type { StoredEvent } from '../../src/store/events.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { closeStep, type ProposedCall } from '../../src/store/step-close.ts';
import { openStep } from '../../src/store/steps.ts';

/** What a worker does to the store and the live plane in one step, one call at a time. */
export class StreamingStep {
  readonly sessionId: string;
  readonly runId = randomUUID();
  turnId = '';
  messageId = '';
  attempt = 0;
  text = '';
  thought = '';
  readonly #db: Db;
  readonly #publish: (message: SessionMessage) => void;

  constructor(db: Db, live: Pick<LivePlane, 'publish'>, sessionId: string) {
    this.#db = db;
    this.#publish = (message) => live.publish(message);
    this.sessionId = sessionId;
  }

  async ask(content: string): Promise<void> {
    const { sessionId } = this;
    const clientMessageId = randomUUID();
    const message = { sessionId, userId: 'alice', clientMessageId, content };
    this.publish((await acceptMessage(this.#db, message)).events);
  }

  /** Opens the step, or its next attempt. Answers the events for who wants to lose their publication. */
  async open(options: { publish: boolean } = { publish: true }): Promise<StoredEvent[]> {
    const { sessionId, runId } = this;
    const bounds = { historyMessages: 50, limits: onlySteps(25), questionMs: 60_000 };
    const { opening, committed } = await openStep(this.#db, {
      sessionId,
      runId,
      workflowId: 'w',
      step: 1,
      ...bounds,
    });
    if (opening.kind !== 'open') throw new Error(`The step is ${opening.kind}.`);
    const events = await committed;
    this.turnId = opening.turnId;
    this.messageId = opening.messageId;
    this.attempt = opening.attempt;
    this.text = '';
    this.thought = '';
    if (options.publish) this.publish(events);
    return events;
  }

  /** Says a piece of text; `lost` keeps it off the live plane. */
  say(piece: string, options: { lost?: boolean; channel?: 'text' | 'thought' } = {}): SessionMessage {
    const channel = options.channel ?? 'text';
    const { sessionId, messageId, attempt } = this;
    const offset = this[channel].length;
    this[channel] += piece;
    const delta: SessionMessage = {
      kind: 'delta',
      sessionId,
      messageId,
      attempt,
      channel,
      offset,
      delta: piece,
    };
    if (!options.lost) this.#publish(delta);
    return delta;
  }

  async draft(): Promise<void> {
    const { sessionId, messageId, attempt, text: content, thought } = this;
    await writeDrafts(this.#db, [{ sessionId, messageId, attempt, content, thought }]);
  }

  async close(options: { publish?: boolean; calls?: ProposedCall[] } = {}): Promise<StoredEvent[]> {
    const { sessionId, turnId, runId, attempt, messageId, text: content, thought } = this;
    const closed = await closeStep(this.#db, {
      sessionId,
      turnId,
      runId,
      step: 1,
      attempt,
      messageId,
      content,
      thought,
      finishReason: 'stop',
      usage: null,
      calls: options.calls ?? [],
      cancelled: false,
      model: 'test',
      firstTokenMs: 1,
      spent: { inputTokens: 1, outputTokens: 1, isEstimate: false, cost: null, ms: 1 },
    });
    if (!closed) throw new Error('The step cannot be closed.');
    if (options.publish !== false) this.publish(closed.events);
    return closed.events;
  }

  publish(events: StoredEvent[]): void {
    publishEvents({ publish: this.#publish }, this.sessionId, events);
  }
}

/** A call that waits for an approval. */
export function gatedCall(): ProposedCall {
  return {
    toolCallId: randomUUID(),
    modelCallId: 'call_1',
    tool: 'office.send_mail',
    arguments: { to: 'bob' },
    argumentsHash: 'hash-of-arguments',
    gate: 'ask',
    rule: 'default',
    reason: 'not known as read-only',
    definition: null,
    toolHash: null,
    terms: {
      rule: 'default',
      levels: [
        {
          approvers: { users: [], roles: ['owner', 'member', 'approver'], requester: true },
          needed: 1,
          timeoutMs: null,
          remindEveryMs: null,
        },
      ],
      remember: 'once',
    },
    policyRevision: 'of-a-test',
    repeatable: false,
    readOnly: false,
    timeoutMs: 60_000,
  };
}
