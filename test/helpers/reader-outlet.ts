import type { Outgoing } from '../../src/gateway/outgoing.ts';
import type { Outlet } from '../../src/gateway/outlet.ts';
import { isEventFrame, type ServerFrame } from '../../src/protocol/server-frames.ts';
import { FrameView } from './frame-view.ts';

/** Frames that wait before a reader counts as slow. */
const fullFrames = 4;

/** A client at the end of an outlet of its own, which reads when it is told to and checks every frame. */
export class ReaderOutlet implements Outlet {
  readonly isOverrun = false;
  isOpen = true;
  view: FrameView;
  /** Where the events begin that it must have. */
  base: number;
  readonly seen = new Set<number>();
  #held = 0;
  #waiting: (() => void)[] = [];

  constructor(lastSeq: number) {
    this.base = lastSeq;
    this.view = new FrameView(lastSeq);
  }

  get isFull(): boolean {
    return this.#held > fullFrames;
  }

  send({ json }: Outgoing): void {
    const frame = JSON.parse(json) as ServerFrame;
    this.#held += 1;
    if (frame.type === 'resync') {
      // It would read the history now, which is all there is up to there.
      this.base = frame.last_seq;
      this.seen.clear();
    }
    if (isEventFrame(frame)) this.seen.add(frame.seq);
    this.view.take(frame);
  }

  cork(write: () => void): void {
    write();
  }

  async drained(): Promise<void> {
    while (this.isOpen && this.#held > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    this.isOpen = false;
    this.read();
  }

  /** Takes all that waits. */
  read(): void {
    this.#held = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Begins again after `lastSeq`, as if it had nothing later. */
  beginAt(lastSeq: number): void {
    this.base = lastSeq;
    this.seen.clear();
    const { breaches } = this.view;
    this.view = new FrameView(lastSeq);
    this.view.breaches.push(...breaches);
  }
}
