import type { Client, Message, Session, SessionSnapshot } from '../../src/client/index.ts';
import { EventLedger, judgeShown, type Tally } from './tally.ts';

/** One device of somebody in a session: it shows everything, and judges what it is shown. */
export class Person {
  readonly who: string;
  readonly session: Session;
  readonly ledger: EventLedger;
  readonly #tally: Tally;
  /** The ends of messages that were judged already: a whole text does not change. */
  readonly #judged = new Map<string, string>();

  constructor(client: Client, sessionId: string, device: string, tally: Tally) {
    this.who = `${sessionId.slice(-6)}/${device}`;
    this.#tally = tally;
    this.ledger = new EventLedger(this.who, tally);
    this.session = client.session(sessionId, { device, lastSeq: 0 });
    this.session.store.subscribe(() => {
      this.judge();
      this.#watchConnection();
    });
    void this.#follow();
  }

  get shown(): SessionSnapshot {
    return this.session.getSnapshot();
  }

  judge(): void {
    const { messages } = this.shown;
    for (const message of messages) {
      if (message.role === 'assistant') this.#judge(message, messages);
    }
  }

  /** A client that gives up for good misses all that follows. */
  #watchConnection(): void {
    const { connection } = this.shown;
    if (connection.kind !== 'stopped' || connection.code === 'closed') return;
    this.#tally.note('lost', `${this.who} has stopped: ${connection.why}`);
  }

  #judge(message: Message, messages: readonly Message[]): void {
    if (this.#judged.get(message.id) === message.content) return;
    const asked = messages.find((other) => other.role === 'user' && other.turnId === message.turnId)?.content;
    // Its question comes as an event before it; without one there is nothing to compare with.
    if (asked === undefined) {
      this.#tally.note('lost', `${this.who} shows an answer and not its question`);
      return;
    }
    const { id, content } = message;
    judgeShown(this.who, { id, content, asked, isDone: message.state === 'done' }, this.#tally);
    this.#judged.set(id, content);
  }

  async #follow(): Promise<void> {
    for await (const event of this.session.events()) {
      if (event.type === 'resync') this.#tally.note('lost', `${this.who} was told to read anew`);
      else this.ledger.take(event.seq);
    }
  }
}
