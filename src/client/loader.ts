import type { MessagesPage, SessionView } from '../protocol/http.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import type { Api } from './api.ts';
import type { Known } from './apply.ts';
import type { Page } from './event-stream.ts';
import { fromHistory, lastTurns } from './history.ts';

/** The most events that a page may hold. */
export const pageEvents = 200;
/** Pages that are walked back to where an open turn begins. */
const maxPagesBack = 50;

interface StoredPage {
  events: EventFrame[];
  last_seq: number;
  next: number | null;
}

/** What is read of a session over HTTP. Everything rejects with a TurngateError. */
export class Loader {
  readonly #api: Api;
  readonly #path: string;
  readonly #pageMessages: number;

  constructor(api: Api, sessionId: string, pageMessages: number) {
    this.#api = api;
    this.#path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
    this.#pageMessages = pageMessages;
  }

  /** The session as it is now, up to the `last_seq` that its page of messages names. */
  async load(signal: AbortSignal): Promise<Known> {
    const [session, page] = await Promise.all([
      this.#api.get<SessionView>(this.#path, signal),
      this.#messages('', signal),
    ]);
    return fromHistory(session, page, await this.#eventsOfLastTurns(page, signal));
  }

  older(before: string, signal: AbortSignal): Promise<MessagesPage> {
    return this.#messages(`&before=${encodeURIComponent(before)}`, signal);
  }

  /** A page of the events after `after`. A page may have few events, or none, and yet not be the last. */
  async events(after: number, signal: AbortSignal, types?: readonly string[]): Promise<Page<EventFrame>> {
    const filter = types ? `&events=${types.join(',')}` : '';
    const path = `${this.#path}/events?after=${after}&limit=${pageEvents}${filter}`;
    const { events, last_seq, next } = await this.#api.get<StoredPage>(path, signal);
    return { events, upTo: next ?? Math.max(last_seq, events.at(-1)?.seq ?? 0) };
  }

  #messages(before: string, signal: AbortSignal): Promise<MessagesPage> {
    return this.#api.get(`${this.#path}/messages?limit=${this.#pageMessages}${before}`, signal);
  }

  /** Walks back from the end until the first of the last turns begins. */
  async #eventsOfLastTurns(page: MessagesPage, signal: AbortSignal): Promise<EventFrame[]> {
    const { turnIds, first } = lastTurns(page.messages);
    const isBeginning = (event: EventFrame) => event.type === 'message_saved' && event.turn_id === first;
    let found: EventFrame[] = [];
    let upTo = page.last_seq;
    for (let pages = 0; pages < maxPagesBack && upTo > 0 && !found.some(isBeginning); pages += 1) {
      const from = Math.max(0, upTo - pageEvents);
      const earlier = await this.#eventsBetween(from, upTo, signal);
      // Those before it are gone by retention: so are those before them.
      if (earlier.length === 0) break;
      found = [...earlier, ...found];
      upTo -= pageEvents;
    }
    return found.filter((event) => event.turn_id === undefined || turnIds.has(event.turn_id));
  }

  async #eventsBetween(after: number, upTo: number, signal: AbortSignal): Promise<EventFrame[]> {
    const found: EventFrame[] = [];
    for (let at = after; at < upTo; ) {
      const page = await this.events(at, signal);
      found.push(...page.events.filter((event) => event.seq <= upTo));
      if (page.upTo <= at) break;
      at = page.upTo;
    }
    return found;
  }
}
