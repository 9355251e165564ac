import { type EventFrame, isEventFrame, type ServerFrame } from '../../src/protocol/server-frames.ts';

interface ShownMessage {
  attempt: number;
  text: string;
  thought: string;
  isFinal: boolean;
}

/**
 * What a reader shows who does with frames exactly what the protocol says. It writes down every breach: an event out
 * of order, doubled or missing, a delta that is not at its offset or of another attempt.
 */
export class FrameView {
  readonly breaches: string[] = [];
  readonly shown = new Map<string, ShownMessage>();
  lastSeq: number;

  constructor(lastSeq: number) {
    this.lastSeq = lastSeq;
  }

  textOf(messageId: string): string {
    return this.shown.get(messageId)?.text ?? '';
  }

  thoughtOf(messageId: string): string {
    return this.shown.get(messageId)?.thought ?? '';
  }

  take(frame: ServerFrame): void {
    if (isEventFrame(frame)) {
      this.#takeEvent(frame);
      return;
    }
    if (frame.type === 'cursor') this.#takeCursor(frame.seq);
    if (frame.type === 'resync') this.lastSeq = frame.last_seq;
    if (frame.type === 'stream_snapshot') this.#takeSnapshot(frame);
    if (frame.type === 'stream_delta' || frame.type === 'thought_delta') this.#takeDelta(frame);
  }

  #takeCursor(seq: number): void {
    if (seq <= this.lastSeq) this.breaches.push(`cursor ${seq} after ${this.lastSeq}`);
    this.lastSeq = seq;
  }

  #takeEvent(event: EventFrame): void {
    if (event.seq !== this.lastSeq + 1) this.breaches.push(`event ${event.seq} after ${this.lastSeq}`);
    this.lastSeq = event.seq;
    if (event.type === 'stream_start' || (event.type === 'stream_reset' && event.attempt !== undefined)) {
      const attempt = event.attempt ?? 0;
      this.shown.set(event.message_id, { attempt, text: '', thought: '', isFinal: false });
    }
    if (event.type !== 'stream_end') return;
    const { content: text, thought = '' } = event;
    this.shown.set(event.message_id, { attempt: 0, text, thought, isFinal: true });
  }

  #takeSnapshot(frame: Extract<ServerFrame, { type: 'stream_snapshot' }>): void {
    const { message_id: id, attempt, content: text, thought = '' } = frame;
    if (this.shown.get(id)?.isFinal) this.breaches.push(`snapshot of the finished ${id}`);
    this.shown.set(id, { attempt, text, thought, isFinal: false });
  }

  #takeDelta(frame: Extract<ServerFrame, { type: 'stream_delta' | 'thought_delta' }>): void {
    const { message_id: id, attempt } = frame;
    // Who begins after a stream's start learns of it by its first delta.
    const started = { attempt, text: '', thought: '', isFinal: false };
    if (!this.shown.has(id)) this.shown.set(id, started);
    const message = this.shown.get(id);
    const channel = frame.type === 'stream_delta' ? 'text' : 'thought';
    if (!message || message.isFinal || message.attempt !== frame.attempt) {
      this.breaches.push(`delta of ${frame.message_id}, attempt ${frame.attempt}, which is not open`);
    } else if (message[channel].length !== frame.offset) {
      this.breaches.push(`delta at ${frame.offset}, known are ${message[channel].length}`);
    } else message[channel] += frame.delta;
  }
}
