import { setTimeout as delay } from 'node:timers/promises';
import type { AckFrame } from '../../../src/protocol/live-frames.ts';
import type { EventFrame } from '../../../src/protocol/server-frames.ts';
import type { Device, FrameAnswer } from './device.ts';
import type { Director } from './director.ts';
import type { Gateway, Place } from './place.ts';
import { edited, type PlannedCall } from './plan.ts';
import type { Answered, Said } from './record.ts';

/** People take longer over a question; a call whose server asks first is let go meanwhile. */
const answerThinkFactor = 6;

export const [owner, member] = ['alice', 'bob'];

type Request = Extract<EventFrame, { type: 'tool_approval_request' }>;
type Question = Extract<EventFrame, { type: 'input_request' }>;
type Via = Said['via'];
interface Saying {
  by: string;
  via: Via;
  approved: boolean;
  isEdited?: boolean;
  remember?: 'session';
}

/** The two people of a session: they say what was planned, again and again until they are answered. */
export class People {
  readonly said: Said[] = [];
  readonly answered: Answered[] = [];
  readonly #place: Place;
  readonly #director: Director;
  readonly #devices: Map<string, Device>;
  readonly #signal: AbortSignal;

  constructor(place: Place, director: Director, devices: Map<string, Device>, signal: AbortSignal) {
    this.#place = place;
    this.#director = director;
    this.#devices = devices;
    this.#signal = signal;
  }

  /** Everything that is said about one request of a call. */
  async decide(call: PlannedCall, request: Request): Promise<void> {
    await delay(call.thinkMs);
    await Promise.all(sayingsOf(call).map((saying) => this.#say(call, request, saying)));
  }

  /** What became of a call that nobody knows about, or what a tool asks. */
  async answer(call: PlannedCall, question: Question): Promise<void> {
    await delay(call.thinkMs * answerThinkFactor);
    const answered: Answered = {
      requestId: question.request_id,
      nonce: call.nonce,
      by: owner,
      content: question.kind === 'elicitation' ? { choice: call.choice } : { outcome: call.outcome },
      told: null,
    };
    this.answered.push(answered);
    const content = { action: 'accept', content: answered.content };
    const frame = { type: 'input_response', request_id: question.request_id, ...content };
    const path = `/v1/inputs/${question.request_id}`;
    const got = await this.#send(owner, call.via, frame, { path, body: content }, () => undefined);
    if (got !== null) answered.told = toTold(got.answer);
  }

  async #say(call: PlannedCall, request: Request, saying: Saying): Promise<void> {
    const { by, via, approved } = saying;
    const toolCallId = request.tool_call_id;
    const changed = saying.isEdited ? { arguments: edited(call.arguments) } : {};
    const said: Said = {
      nonce: call.nonce,
      toolCallId,
      by,
      via,
      approved,
      ...changed,
      answer: { kind: 'none' },
    };
    this.said.push(said);
    const content = {
      approved,
      arguments_hash: request.arguments_hash,
      ...(request.tool_hash === undefined ? {} : { tool_hash: request.tool_hash }),
      ...(request.round === undefined ? {} : { round: request.round }),
      ...(saying.remember === undefined ? {} : { remember: saying.remember }),
      ...changed,
      ...(approved ? {} : { reason: 'not like this' }),
    };
    const frame = { type: 'tool_approval', tool_call_id: toolCallId, ...content };
    const sent = (gateway: Gateway) => this.#director.onDecisionSent(call.nonce, gateway.part);
    const got = await this.#send(
      by,
      via,
      frame,
      { path: `/v1/approvals/${toolCallId}`, body: content },
      sent,
    );
    if (got === null) return;
    said.answer = toAnswer(got.answer);
    this.#director.onAck(call.nonce, got.gateway.part);
  }

  async #send(
    by: string,
    via: Via,
    frame: Record<string, unknown>,
    request: { path: string; body: unknown },
    sent: (gateway: Gateway) => void,
  ): Promise<{ answer: FrameAnswer; gateway: Gateway } | null> {
    if (via === 'websocket') {
      const device = this.#devices.get(by);
      if (!device) throw new Error(`${by} has no device.`);
      return { answer: await device.send(frame, sent), gateway: device.gateway };
    }
    const got = await this.#place.ask(by, { method: 'POST', ...request }, this.#signal, sent);
    if (got === null) return null;
    const { status, body, gateway } = got;
    // Another one that stands comes as a problem, with what stands in it.
    const stands = status === 409 && ('decision' in body || 'input' in body);
    if (status === 200) return { answer: body as unknown as AckFrame, gateway };
    if (stands) return { answer: { ...body, type: 'ack', disposition: 'conflict' } as AckFrame, gateway };
    return { answer: { type: 'refused', words: JSON.stringify(body) }, gateway };
  }
}

function sayingsOf({ decision, via }: PlannedCall): Saying[] {
  const other: Via = via === 'websocket' ? 'http' : 'websocket';
  const yes: Saying = { by: owner, via, approved: true };
  const no: Saying = { by: member, via: other, approved: false };
  switch (decision) {
    case 'approve':
      return [yes];
    case 'reject':
      return [{ ...no, via }];
    case 'double':
      return [yes, { ...yes, via: other }];
    case 'contest':
    case 'quorum_reject':
      return [yes, no];
    case 'edit':
      return [{ ...yes, isEdited: true }];
    case 'edit_contest':
      return [{ ...yes, isEdited: true }, no];
    case 'quorum':
      return [yes, { ...no, approved: true }];
    case 'remember':
      return [{ ...yes, remember: 'session' }];
  }
}

function toAnswer(answer: FrameAnswer): Said['answer'] {
  if (answer.type === 'refused') return { kind: 'refused', words: answer.words };
  if (answer.decision !== undefined) {
    return { kind: answer.disposition === 'conflict' ? 'conflict' : 'recorded', decision: answer.decision };
  }
  return { kind: answer.approvals === undefined ? 'taken' : 'voted' };
}

function toTold(answer: FrameAnswer): Answered['told'] {
  if (answer.type === 'refused') return { kind: 'refused', words: answer.words };
  if (answer.input === undefined) return { kind: 'refused', words: JSON.stringify(answer) };
  const { action, by } = answer.input;
  return { kind: answer.disposition === 'conflict' ? 'conflict' : 'recorded', action, by };
}
