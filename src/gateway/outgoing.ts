import { isEventFrame, type ServerFrame } from '../protocol/server-frames.ts';

/** A frame on its way out: serialised once for everybody who gets it, and only if somebody does. */
export class Outgoing {
  readonly frame: ServerFrame;
  /** Who may see it; null: every participant. */
  readonly audience: readonly string[] | null;
  #json: string | null = null;

  constructor(frame: ServerFrame, audience: readonly string[] | null = null) {
    this.frame = frame;
    this.audience = audience;
  }

  /** An event's number; undefined for live frames. */
  get seq(): number | undefined {
    return isEventFrame(this.frame) ? this.frame.seq : undefined;
  }

  /** The `last_seq` of a client that has got this frame, where the frame says it. */
  get resumeAt(): number | undefined {
    if (this.frame.type === 'cursor') return this.frame.seq;
    return this.frame.type === 'resync' ? this.frame.last_seq : this.seq;
  }

  get json(): string {
    this.#json ??= JSON.stringify(this.frame);
    return this.#json;
  }
}
