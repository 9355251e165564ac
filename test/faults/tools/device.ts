import { randomUUID } from 'node:crypto';
import type { AckFrame } from '../../../src/protocol/live-frames.ts';
import type { EventFrame, ServerFrame } from '../../../src/protocol/server-frames.ts';
import { isEventFrame } from '../../../src/protocol/server-frames.ts';
import { WireClient } from '../../helpers/wire-client.ts';
import type { Gateway, Place } from './place.ts';
import type { ClientLog } from './record.ts';

const againMs = 200;
/** Answers that only say that it should be sent again. */
const passing = ['unavailable', 'rate_limit', 'processing_error'];

/** What a frame is answered with in the end. */
export type FrameAnswer = AckFrame | { type: 'refused'; words: string };
type Frame = Record<string, unknown>;
interface Sent {
  frame: Frame & { id: string };
  onAnswer(answer: FrameAnswer): void;
  onSent(gateway: Gateway): void;
}

/** One WebSocket client of one person in one session, which sends what it has to say until it is answered. */
export class Device {
  readonly who: string;
  readonly sessionId: string;
  readonly client: WireClient;
  readonly #sent = new Map<string, Sent>();
  #gateway: Gateway;

  constructor(place: Place, options: { user: string; sessionId: string; onEvent(event: EventFrame): void }) {
    this.sessionId = options.sessionId;
    this.who = `${options.user} in ${options.sessionId.slice(-6)}`;
    this.#gateway = place.nextGateway();
    this.client = new WireClient(
      () => {
        this.#gateway = place.nextGateway();
        const url = `${this.#gateway.ws}/v1/sessions/${options.sessionId}/ws`;
        return { url, token: place.token(options.user) };
      },
      (frame) => {
        if (isEventFrame(frame)) options.onEvent(frame);
        else this.#answered(frame);
      },
    );
  }

  get gateway(): Gateway {
    return this.#gateway;
  }

  /** Sends it, over any number of connections and gateways, until there is an answer. */
  send(frame: Frame, onSent: (gateway: Gateway) => void = () => undefined): Promise<FrameAnswer> {
    const id = randomUUID();
    return new Promise((resolve) => {
      const sent = { frame: { ...frame, id }, onAnswer: resolve, onSent };
      this.#sent.set(id, sent);
      this.client.send(sent.frame);
      onSent(this.#gateway);
    });
  }

  log(): ClientLog {
    return {
      who: this.who,
      sessionId: this.sessionId,
      events: this.client.events.map(({ seq, type }) => `${seq} ${type}`),
      faults: this.client.faults,
    };
  }

  #answered(frame: ServerFrame): void {
    if (frame.type !== 'ack' && frame.type !== 'error') return;
    const sent = this.#sent.get(frame.id ?? '');
    if (!sent) return;
    if (frame.type === 'error' && passing.includes(frame.code)) {
      setTimeout(() => this.client.send(sent.frame), againMs);
      return;
    }
    this.#sent.delete(sent.frame.id);
    if (frame.type === 'error') {
      this.client.forget(sent.frame.id);
      sent.onAnswer({ type: 'refused', words: `${frame.code}: ${frame.error}` });
    } else {
      sent.onAnswer(frame);
    }
  }
}
