const newline = 10;
const idChars = 512;

/** Follows an event stream only as far as bounds and resumption need: how long the event under way is, and its last id. */
export class EventLines {
  /** Of the event under way. */
  eventBytes = 0;
  lastId: string | undefined;
  #line = '';
  #lineBytes = 0;

  /** @param lastId of the stream that this one continues */
  constructor(lastId?: string) {
    this.lastId = lastId;
  }

  /** @returns how many events ended in this chunk */
  take(chunk: Buffer): number {
    let events = 0;
    let from = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      this.#extend(chunk, from, end);
      if (this.#endLine()) events += 1;
      from = end + 1;
    }
    this.#extend(chunk, from, chunk.length);
    return events;
  }

  #extend(chunk: Buffer, from: number, end: number): void {
    this.eventBytes += end - from;
    this.#lineBytes += end - from;
    const room = idChars - this.#line.length;
    if (room > 0) this.#line += chunk.toString('latin1', from, Math.min(end, from + room));
  }

  /** Whether the line was empty, which ends an event. */
  #endLine(): boolean {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    const isEmpty = this.#lineBytes === 0 || line === '';
    if (line.startsWith('id:')) this.lastId = line.slice(3).replace(/^ /, '');
    this.#line = '';
    this.#lineBytes = 0;
    if (isEmpty) this.eventBytes = 0;
    return isEmpty;
  }
}
