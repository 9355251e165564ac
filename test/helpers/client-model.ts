import { Api } from '../../src/client/api.ts';
import type { SessionEvent } from '../../src/client/event-stream.ts';
import { protocolRules, type Rules } from '../../src/client/rules.ts';
import { Session } from '../../src/client/session.ts';
import type { Message, SessionSnapshot } from '../../src/client/state.ts';
import { ModelPerson } from './client-model-gate.ts';
import type { Step } from './client-schedule.ts';
import { ReferenceGateway } from './reference-gateway.ts';
import { ReferenceSession } from './reference-session.ts';
import { settled, VirtualTime } from './virtual-time.ts';

/** Virtual time that anything still under way is given at the end. */
const roundMs = 500;
const maxRounds = 400;

/** The real client and the reference, and all that the client did wrong. */
class World {
  readonly faults: string[] = [];
  readonly #time = new VirtualTime();
  readonly #truth = new ReferenceSession();
  readonly #gateway = new ReferenceGateway(this.#truth);
  readonly #client: Session;
  readonly #person: ModelPerson;
  readonly #applied: SessionEvent[] = [];
  readonly #sent: string[] = [];
  readonly #acked: string[] = [];
  #firstSeq = 0;
  #shown: SessionSnapshot;
  #said = 0;

  constructor(rules: Rules) {
    let luck = 1;
    const runtime = {
      fetch: (url: string) => this.#gateway.fetch(url),
      connect: (url: string) => this.#gateway.connect(url),
      clock: this.#time,
      random: () => {
        luck = (luck * 16_807) % 2_147_483_647;
        return luck / 2_147_483_647;
      },
      onListenerError: (error: unknown) => this.faults.push(`thrown: ${error}`),
      rules,
    };
    const access = { url: () => 'http://gateway', token: async () => 'token' };
    this.#client = new Session(runtime, { access, api: new Api(runtime, access) }, this.#truth.id, {
      pageMessages: 200,
    });
    this.#person = new ModelPerson(this.#client, this.faults);
    this.#shown = this.#client.getSnapshot();
    this.#client.store.subscribe(() => this.#look());
    this.#client.onFrame((frame) => {
      if (frame.type === 'resync' || ('seq' in frame && frame.type !== 'cursor')) this.#applied.push(frame);
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await this.#step(step);
      await settled();
    }
    await this.#settle();
    this.#compare();
    this.#client.close();
    await settled();
  }

  async #step({ what, n, isLost }: Step): Promise<void> {
    const [truth, gateway] = [this.#truth, this.#gateway];
    switch (what) {
      case 'say':
        return gateway.delta(truth.say('content', this.#words(n)), isLost);
      case 'think':
        return gateway.delta(truth.say('thought', this.#words(n)), isLost);
      case 'repeat_text':
        return gateway.repeatText(n, !isLost);
      case 'repeat_event':
        return gateway.repeatEvent(n);
      case 'snapshot':
        return gateway.snapshot(isLost ? n : 0);
      case 'move':
        return gateway.move(n);
      case 'answer':
        return gateway.answer(true);
      case 'answer_not':
        return gateway.answer(false);
      case 'cut':
        return gateway.cut(n % 4, n % 2 === 0 ? 1006 : 4009);
      case 'time':
        return this.#time.pass(n * 100);
      case 'silence':
        // Longer than a connection may be silent: the client gives it up, and what is under way comes late.
        return n < 6 ? this.#time.pass(50_000) : undefined;
      case 'send':
        return this.#send();
      case 'decide':
        return this.#person.decide(n);
      case 'reply':
        return this.#person.reply(n);
      case 'refuse':
        return gateway.refuse(n % 3);
      case 'forget':
        return truth.forget();
      default:
        this.#happen(what, n);
        gateway.spread(isLost);
    }
  }

  #happen(what: Step['what'], n: number): void {
    const truth = this.#truth;
    const { gate } = truth;
    if (what === 'ask_again') gate.askAgain(n, { n, again: this.#words(1) });
    if (what === 'vote') gate.vote(n);
    if (what === 'remind') gate.remind(n);
    if (what === 'late') gate.late(truth.turn?.id);
    if (what === 'question') truth.question();
    if (what === 'resolve') gate.resolveQuestions(null);
    if (what === 'ask') truth.ask(this.#words(3), `other-${this.#said}`);
    if (what === 'start') this.#start();
    if (what === 'retry' || what === 'void') truth.reset(what === 'retry');
    if (what === 'end' || what === 'call') truth.end(what === 'call', 1 + (n % 3));
    if (what === 'tool') truth.runTool();
    if (what === 'turn_end') truth.endTurn();
    if (what === 'roll_back') truth.rollBack();
    if (what === 'rename') truth.rename(this.#words(3));
    if (what === 'hide') truth.hide();
  }

  #start(): void {
    if (!this.#truth.turn) this.#truth.ask(this.#words(3), `other-${this.#said}`);
    this.#truth.start();
  }

  /** Words that are never the same, so that a piece in a wrong place is seen. */
  #words(n: number): string {
    this.#said += 1;
    return `${this.#said}${'abcdefghij'.slice(0, 1 + (n % 10))} `;
  }

  #send(): void {
    const id = `mine-${this.#sent.length}`;
    this.#sent.push(id);
    void this.#client.send(id, { id }).then(
      () => this.#acked.push(id),
      (error: unknown) => this.faults.push(`${id} was refused: ${error}`),
    );
  }

  /** Whatever is shown, at any moment, is the beginning of what that attempt has said. */
  #look(): void {
    const before = this.#shown;
    const view = this.#client.getSnapshot();
    this.#shown = view;
    if (!before.isLoaded && view.isLoaded) this.#firstSeq = view.lastSeq;
    if (view.lastSeq < before.lastSeq)
      this.faults.push(`lastSeq went from ${before.lastSeq} to ${view.lastSeq}`);
    for (const message of view.messages) if (message.role === 'assistant') this.#lookAt(message);
  }

  #lookAt(message: Message): void {
    const attempts = this.#truth.said.get(message.id);
    const said = [...(attempts ?? [])].filter(
      ([attempt]) => message.state === 'done' || attempt === message.attempt,
    );
    const isTrue = said.some(
      ([, { content, thought }]) =>
        content.startsWith(message.content) && thought.startsWith(message.thought),
    );
    if (!isTrue)
      this.faults.push(`wrong text of ${message.id}, attempt ${message.attempt}: "${message.content}"`);
  }

  /** No more harm: everything arrives, and one more event and delta show what was lost. */
  async #settle(): Promise<void> {
    this.#gateway.refuse(-1_000);
    this.#truth.rename('the end');
    this.#gateway.spread(false);
    this.#gateway.delta(this.#truth.say('content', 'last'), false);
    this.#gateway.delta(this.#truth.say('thought', 'last'), false);
    for (let round = 0; round < maxRounds; round += 1) {
      this.#gateway.answer(true);
      this.#gateway.move(1_000);
      await settled();
      const view = this.#client.getSnapshot();
      const isThere = view.connection.kind === 'open' && view.isLoaded && view.queue.length === 0;
      if (isThere && this.#gateway.isIdle && view.lastSeq === this.#truth.lastSeq && round > 8) return;
      await this.#time.pass(roundMs);
    }
  }

  #compare(): void {
    const view = this.#client.getSnapshot();
    const same = (what: string, is: unknown, should: unknown) => {
      const [one, other] = [JSON.stringify(is), JSON.stringify(should)];
      if (one !== other) this.faults.push(`${what}: ${one}, not ${other}`);
    };
    same('lastSeq', view.lastSeq, this.#truth.lastSeq);
    same('title', view.title, this.#truth.sessionView().title);
    same('queue', view.queue, []);
    same('messages', view.messages.map(shownOf), this.#messages());
    same(
      'sent',
      this.#truth.accepted.filter((id) => id.startsWith('mine')),
      this.#sent,
    );
    same('acked', this.#acked, this.#sent);
    same(
      'events',
      this.#applied.flatMap((event) => ('seq' in event ? [event.seq] : [])),
      this.#expected(),
    );
    const calls = this.#truth.page(1_000, null).messages.flatMap((message) => message.tool_calls ?? []);
    const done = calls.filter((call) => call.status === 'completed').map((call) => call.tool_call_id);
    same(
      'tools',
      done.filter((id) => view.toolCalls[id]?.status !== 'completed'),
      [],
    );
    this.#person.compare(this.#truth, same);
  }

  #messages(): unknown[] {
    const stored = this.#truth.page(1_000, null).messages.filter((message) => message.role !== 'tool');
    const all = stored.map(({ id, turn_id, content, thought = '' }) => ({
      id,
      turn: turn_id,
      content,
      thought,
      state: 'done',
    }));
    const { stream } = this.#truth;
    if (!stream) return all;
    const { id, turnId: turn, content, thought } = stream;
    const last = all.findLastIndex((message) => message.turn === turn);
    return all.toSpliced(last + 1, 0, { id, turn, content, thought, state: 'streaming' });
  }

  /** Events for this client from where it began, but for those that the history was read for instead. */
  #expected(): number[] {
    const gaps: [number, number][] = [];
    let last = this.#firstSeq;
    for (const event of this.#applied) {
      if (event.type === 'resync') gaps.push([last, event.last_seq]);
      last = event.type === 'resync' ? event.last_seq : event.seq;
    }
    return this.#truth.events
      .filter(({ frame, isHidden }) => !isHidden && frame.seq > this.#firstSeq)
      .map(({ frame }) => frame.seq)
      .filter((seq) => !gaps.some(([from, to]) => seq > from && seq <= to));
  }
}

function shownOf({ id, turnId, content, thought, state }: Message) {
  return { id, turn: turnId, content, thought, state };
}

/** Plays a schedule against the client with these rules. Answers what it did wrong. */
export async function play(steps: readonly Step[], rules: Rules = protocolRules): Promise<string[]> {
  const world = new World(rules);
  await world.run(steps);
  return world.faults;
}
