/** A long-polling client of Socket.IO by hand: it polls only when a test says so. */
export class HandPoller {
  readonly #url: string;
  #sid = '';

  constructor(http: string) {
    this.#url = `${http}/socket.io/?EIO=4&transport=polling`;
  }

  get sid(): string {
    return this.#sid;
  }

  /** Opens the connection and joins the namespace. */
  async connect(auth: object): Promise<void> {
    const opened = await fetch(this.#url);
    this.#sid = JSON.parse((await opened.text()).slice(1)).sid;
    await this.post(`40${JSON.stringify(auth)}`);
  }

  async post(packet: string): Promise<Response> {
    return fetch(`${this.#url}&sid=${this.#sid}`, { method: 'POST', body: packet });
  }

  emit(event: string, payload: object): Promise<Response> {
    return this.post(`42${JSON.stringify([event, payload])}`);
  }

  /** One poll, at this gateway or another one. */
  async poll(
    http?: string,
  ): Promise<{ status: number; text: string; events: [string, Record<string, unknown>][] }> {
    const url = http === undefined ? this.#url : `${http}/socket.io/?EIO=4&transport=polling`;
    const answer = await fetch(`${url}&sid=${this.#sid}`);
    const text = await answer.text();
    const events = text
      .split('\u001e')
      .flatMap((packet) => (packet.startsWith('42') ? [JSON.parse(packet.slice(2))] : []));
    return { status: answer.status, text, events };
  }
}
