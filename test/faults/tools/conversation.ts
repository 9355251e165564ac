import { setTimeout as delay } from 'node:timers/promises';
import type { EventFrame, StandingDecision } from '../../../src/protocol/server-frames.ts';
import { Device } from './device.ts';
import type { Director } from './director.ts';
import { askFor } from './model.ts';
import type { Gateway, Place } from './place.ts';
import type { PlannedCall, PlannedSession, PlannedTurn } from './plan.ts';
import type { ClientLog, Said } from './record.ts';

const pollMs = 20;
const [owner, member] = ['alice', 'bob'];

type Request = Extract<EventFrame, { type: 'tool_approval_request' }>;

/** One session: its owner asks turn after turn, and its people decide what each turn wants to do. */
export class Conversation {
  readonly said: Said[] = [];
  stuck: string | null = null;
  readonly #place: Place;
  readonly #director: Director;
  readonly #turns: PlannedTurn[];
  readonly #calls: Map<string, PlannedCall>;
  /** tool_call_id → nonce */
  readonly #nonces = new Map<string, string>();
  readonly #deciding = new Set<Promise<unknown>>();
  readonly #signal: AbortSignal;
  #owner: Device | null = null;
  #member: Device | null = null;
  #lastEventAt = 0;

  constructor(place: Place, director: Director, planned: PlannedSession, signal: AbortSignal) {
    this.#place = place;
    this.#director = director;
    this.#turns = planned.turns;
    this.#calls = new Map(planned.turns.flat().map((call) => [call.nonce, call]));
    this.#signal = signal;
  }

  /** @param settleMs how long nothing may happen, neither here nor to the processes, before a turn counts as stuck */
  async run(settleMs: number): Promise<void> {
    const made = await this.#place.ask(
      owner,
      { method: 'POST', path: '/v1/sessions', body: { participants: { [member]: 'member' } } },
      this.#signal,
    );
    const sessionId = String(made?.body.id);
    const onEvent = (event: EventFrame) => this.#onEvent(event);
    this.#owner = new Device(this.#place, { user: owner, sessionId, onEvent });
    this.#member = new Device(this.#place, { user: member, sessionId, onEvent: () => undefined });
    for (const turn of this.#turns) {
      if (this.#signal.aborted || this.stuck !== null) return;
      await this.#runTurn(turn, settleMs);
    }
    await Promise.race([Promise.allSettled(this.#deciding), delay(settleMs, undefined, { ref: false })]);
  }

  /** Closes its devices and answers what they were given. */
  close(): ClientLog[] {
    const devices = [this.#owner, this.#member].filter((device) => device !== null);
    for (const device of devices) device.client.close();
    return devices.map((device) => device.log());
  }

  /** How far its devices are: [what they have, for each]. */
  get seqs(): { sessionId: string; seqs: number[] } {
    const devices = [this.#owner, this.#member].filter((device) => device !== null);
    return { sessionId: this.#owner?.sessionId ?? '', seqs: devices.map(({ client }) => client.lastSeq) };
  }

  async #runTurn(turn: PlannedTurn, settleMs: number): Promise<void> {
    const device = this.#owner;
    if (!device) return;
    this.#lastEventAt = Date.now();
    const ended = device.client.events.filter((event) => event.type === 'turn_end').length;
    void device.send({ type: 'message', content: askFor(turn) });
    while (device.client.events.filter((event) => event.type === 'turn_end').length === ended) {
      if (this.#signal.aborted) return;
      if (Date.now() - Math.max(this.#lastEventAt, this.#director.lastKillAt) > settleMs) {
        const last = device.client.events.at(-1);
        this.stuck = `the turn of ${turn.map((call) => call.nonce).join(', ')} in session ${device.sessionId}; its last event is ${last?.seq} ${last?.type}`;
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
      const deciding = this.#decide(call, event);
      this.#deciding.add(deciding);
    } else if (event.type === 'tool_approval_resolved' && event.decision === 'approved') {
      this.#director.onApproved(call.nonce);
    } else if (event.type === 'tool_result') {
      this.#director.onResult(call.nonce);
    }
  }

  async #decide(call: PlannedCall, request: Request): Promise<void> {
    await delay(call.thinkMs);
    const other = call.via === 'websocket' ? 'http' : 'websocket';
    const say = (by: string, via: Said['via'], approved: boolean) =>
      this.#say({ nonce: call.nonce, toolCallId: request.tool_call_id, by, via, approved }, request);
    switch (call.decision) {
      case 'approve':
        return say(owner, call.via, true);
      case 'reject':
        return say(member, call.via, false);
      case 'double':
        await Promise.all([say(owner, call.via, true), say(owner, other, true)]);
        return;
      case 'contest':
        await Promise.all([say(owner, call.via, true), say(member, other, false)]);
        return;
    }
  }

  async #say(about: Omit<Said, 'answer'>, request: Request): Promise<void> {
    const said: Said = { ...about, answer: { kind: 'none' } };
    this.said.push(said);
    const content = {
      approved: about.approved,
      arguments_hash: request.arguments_hash,
      ...(about.approved ? {} : { reason: 'not like this' }),
    };
    const sent = (gateway: Gateway) => this.#director.onDecisionSent(about.nonce, gateway.part);
    if (about.via === 'http') await this.#sayByHttp(said, content, sent);
    else await this.#sayBySocket(said, content, sent);
  }

  async #sayBySocket(said: Said, content: object, sent: (gateway: Gateway) => void): Promise<void> {
    const device = said.by === owner ? this.#owner : this.#member;
    if (!device) return;
    const frame = { type: 'tool_approval', tool_call_id: said.toolCallId, ...content };
    said.answer = await device.send(frame, sent);
    this.#director.onAck(said.nonce, device.gateway.part);
  }

  async #sayByHttp(said: Said, content: object, sent: (gateway: Gateway) => void): Promise<void> {
    const path = `/v1/approvals/${said.toolCallId}`;
    const answer = await this.#place.ask(
      said.by,
      { method: 'POST', path, body: content },
      this.#signal,
      sent,
    );
    if (!answer) return;
    const { status, body, gateway } = answer;
    const decision = body.decision as StandingDecision | undefined;
    if (decision === undefined) said.answer = { kind: 'refused', words: JSON.stringify(body) };
    else said.answer = { kind: status === 409 ? 'conflict' : 'recorded', decision };
    this.#director.onAck(said.nonce, gateway.part);
  }
}

function nonceOf(args: unknown): string {
  const isObject = typeof args === 'object' && args !== null && 'nonce' in args;
  return isObject ? String(args.nonce) : '';
}
