import type { SessionMessage } from '../live/port.ts';

/** Live messages that wait while the store is read, some KB each at most. */
const maxMessages = 2_000;

/**
 * What has arrived for one session and is not applied yet. Bounded: when it is full, all of it becomes one
 * announcement, because the store has the events and the draft the text.
 */
export class SessionInbox {
  readonly #sessionId: string;
  #messages: SessionMessage[] = [];

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  add(message: SessionMessage): void {
    this.#messages.push(message);
    if (this.#messages.length > maxMessages) this.#shed();
  }

  takeAll(): SessionMessage[] {
    const taken = this.#messages;
    this.#messages = [];
    return taken;
  }

  #shed(): void {
    const lastSeq = Math.max(...this.#messages.map(reachOf));
    this.#messages = [{ kind: 'announce', sessionId: this.#sessionId, lastSeq }];
  }
}

/** The `seq` up to which a message brings its session. */
function reachOf(message: SessionMessage): number {
  if (message.kind === 'announce') return message.lastSeq;
  return message.kind === 'events' ? (message.events.at(-1)?.seq ?? 0) : 0;
}
