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

  get json(): string {
    this.#json ??= JSON.stringify(this.frame);
    return this.#json;
  }
}
