import { setTimeout as delay } from 'node:timers/promises';
import type { EventFrame } from '../../../src/protocol/server-frames.ts';
import { Device } from './device.ts';
import type { Director } from './director.ts';
import { askFor } from './model.ts';
import { member, owner, People } from './people.ts';
import type { Place } from './place.ts';
import type { PlannedCall, PlannedSession, PlannedTurn } from './plan.ts';
import type { ClientLog } from './record.ts';

const pollMs = 20;

/** One session: its owner asks turn after turn, and its people decide what each turn wants to do. */
export class Conversation {
  readonly people: People;
  stuck: string | null = null;
  readonly #director: Director;
  readonly #place: Place;
  readonly #turns: PlannedTurn[];
  readonly #calls: Map<string, PlannedCall>;
  /** tool_call_id → nonce */
  readonly #nonces = new Map<string, string>();
  readonly #saying = new Set<Promise<unknown>>();
  readonly #signal: AbortSignal;
  /** By their user. */
  readonly #devices = new Map<string, Device>();
  #sessionId = '';
  #lastEventAt = 0;

  constructor(place: Place, director: Director, planned: PlannedSession, signal: AbortSignal) {
    this.#place = place;
    this.#director = director;
    this.#turns = planned.turns;
    this.#calls = new Map(planned.turns.flat().map((call) => [call.nonce, call]));
    this.#signal = signal;
    this.people = new People(place, director, this.#devices, signal);
  }

  /** @param settleMs how long nothing may happen, neither here nor to the processes, before a turn counts as stuck */
  async run(settleMs: number): Promise<void> {
    const body = { participants: { [member]: 'member' } };
    const made = await this.#place.ask(owner, { method: 'POST', path: '/v1/sessions', body }, this.#signal);
    this.#sessionId = String(made?.body.id);
    for (const user of [owner, member]) {
      const onEvent = user === owner ? (event: EventFrame) => this.#onEvent(event) : () => undefined;
      this.#devices.set(user, new Device(this.#place, { user, sessionId: this.#sessionId, onEvent }));
    }
    for (const turn of this.#turns) {
      if (this.#signal.aborted || this.stuck !== null) return;
      await this.#runTurn(turn, settleMs);
    }
    await Promise.race([Promise.allSettled(this.#saying), delay(settleMs, undefined, { ref: false })]);
  }

  /** Closes its devices and answers what they were given. */
  close(): ClientLog[] {
    const devices = [...this.#devices.values()];
    for (const device of devices) device.client.close();
    return devices.map((device) => device.log());
  }

  /** How far each of its devices is. */
  get seqs(): { sessionId: string; seqs: number[] } {
    const seqs = [...this.#devices.values()].map(({ client }) => client.lastSeq);
    return { sessionId: this.#sessionId, seqs };
  }

  async #runTurn(turn: PlannedTurn, settleMs: number): Promise<void> {
    const device = this.#devices.get(owner);
    if (!device) return;
    const ended = () => device.client.events.filter((event) => event.type === 'turn_end').length;
    const before = ended();
    this.#lastEventAt = Date.now();
    void device.send({ type: 'message', content: askFor(turn) });
    while (ended() === before && !this.#signal.aborted) {
      if (Date.now() - Math.max(this.#lastEventAt, this.#director.lastKillAt) > settleMs) {
        const last = device.client.events.at(-1);
        const nonces = turn.map((call) => call.nonce).join(', ');
        this.stuck = `the turn of ${nonces} in session ${this.#sessionId}; its last event is ${last?.seq} ${last?.type}`;
        return;
      }
      await delay(pollMs);
    }
  }

  #onEvent(event: EventFrame): void {
    this.#lastEventAt = Date.now();
    if (event.type === 'tool_call') this.#nonces.set(event.tool_call_id, nonceOf(event.arguments));
    const nonce = 'tool_call_id' in event ? this.#nonces.get(String(event.tool_call_id)) : undefined;
    const call = nonce === undefined ? undefined : this.#calls.get(nonce);
    if (!call) return;
    if (event.type === 'tool_approval_request') {
      this.#director.onRequest(call.nonce);
      this.#saying.add(this.people.decide(call, event));
    } else if (event.type === 'input_request') {
      this.#director.onQuestion(call.nonce);
      this.#saying.add(this.people.answer(call, event));
    } else if (event.type === 'tool_approval_resolved' && event.decision === 'approved') {
      this.#director.onApproved(call.nonce);
    } else if (event.type === 'tool_result') {
      this.#director.onResult(call.nonce);
    }
  }
}

function nonceOf(args: unknown): string {
  const isObject = typeof args === 'object' && args !== null && 'nonce' in args;
  return isObject ? String(args.nonce) : '';
}
