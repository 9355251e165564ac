import type { SocketIoClientEventName } from '../protocol/socket-io.ts';

export type Answer = (reply: object) => void;

/** Events that get an `ack` of the native protocol; the others are answered when they are done. */
export const acked = new Set<SocketIoClientEventName>([
  'user_message',
  'typing',
  'tool_approval',
  'cancel',
  'input_response',
]);

/** Callbacks of clients that wait, all together; the oldest is answered with nothing when there are more. */
const maxWaiting = 256;

/** Socket.IO's acknowledgement callbacks, by the id of the frame that each belongs to. */
export class SocketIoAnswers {
  readonly #waiting = new Map<string, Answer[]>();
  #count = 0;

  expect(id: string, answer: Answer): void {
    this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), answer]);
    this.#count += 1;
    const [oldest] = this.#waiting.keys();
    if (this.#count > maxWaiting && oldest !== undefined) this.give(oldest, {});
  }

  /** Answers whoever sent a frame with this id first. */
  give(id: string, reply: object): void {
    const [first, ...others] = this.#waiting.get(id) ?? [];
    if (!first) return;
    this.#count -= 1;
    if (others.length > 0) this.#waiting.set(id, others);
    else this.#waiting.delete(id);
    first(reply);
  }
}
