import { v7 as uuidv7 } from 'uuid';
import {
  type AckFrame,
  type Answer,
  type Client,
  type Decision,
  type Session,
  TurngateError,
} from '../../client/index.ts';
import { errorText } from '../../protocol/error-text.ts';
import { type ErrorCode, errorCode } from '../../protocol/errors.ts';
import type { SessionView } from '../../protocol/http.ts';
import { limits } from '../../protocol/limits.ts';
import type { ServerFrame } from '../../protocol/server-frames.ts';
import { cutAt } from '../../protocol/text.ts';
import { StartFailure } from '../dev/start-failure.ts';
import { isSameWaiting, waitingOf } from './asked.ts';
import { type Command, help, parseCommand } from './commands.ts';
import { type Conversation, type ConversationInput, type Outgoing, reduce } from './conversation.ts';
import { conversationOf } from './from-snapshot.ts';
import { failureOf } from './gateway-client.ts';
import type { FindTarget } from './target.ts';

const listedSessions = 10;
/** As much of the history as one page has. */
const pageMessages = 200;

/** What a person does in the terminal, and the conversation that follows from it. Tells its listeners of each change. */
export class Chat {
  readonly #client: Client;
  readonly #findTarget: FindTarget;
  readonly #listeners = new Set<() => void>();
  readonly #left = Promise.withResolvers<void>();
  #session: Session;
  #conversation: Conversation;
  #listed: SessionView[] = [];
  #isOpening = false;
  /** Calls whose rule was asked for. */
  readonly #termsRead = new Set<string>();

  private constructor(options: { client: Client; findTarget: FindTarget; session: Session }) {
    this.#client = options.client;
    this.#findTarget = options.findTarget;
    this.#session = options.session;
    this.#conversation = conversationOf(options.session.getSnapshot());
    this.#follow();
  }

  /** @throws StartFailure where the session cannot be read */
  static async open(options: { client: Client; findTarget: FindTarget; sessionId: string }): Promise<Chat> {
    const session = await openSession(options.client, options.sessionId);
    const chat = new Chat({ ...options, session });
    chat.#note(`Session ${options.sessionId}. /help says what you can do here.`);
    return chat;
  }

  /** Resolves when the person asked to leave. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  readonly conversation = (): Conversation => this.#conversation;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes a line as entered: a message or a command. */
  enter(line: string): void {
    const command = parseCommand(line);
    if (command) this.#run(command);
  }

  decide(toolCallId: string, decision: Decision): void {
    const { reason } = decision;
    const why = reason ? { reason: reason.slice(0, cutAt(reason, limits.reasonChars)) } : {};
    this.#sent(uuidv7(), { kind: 'decision' }, this.#session.decide(toolCallId, { ...decision, ...why }));
  }

  answer(requestId: string, answer: Answer): void {
    this.#sent(uuidv7(), { kind: 'answer' }, this.#session.answer(requestId, answer));
  }

  /** Tells the person something. */
  tell(text: string): void {
    this.#note(text);
  }

  /** Stops the running turn. */
  cancel(): void {
    const turnId = this.#conversation.turns[0]?.turnId;
    if (turnId === undefined) this.#note('Nothing is running.');
    else this.#sent(uuidv7(), { kind: 'cancel' }, this.#session.cancel(turnId));
  }

  close(): void {
    this.#session.close();
  }

  #run(command: Command): void {
    switch (command.kind) {
      case 'message':
        this.#say(command.text);
        break;
      case 'help':
        this.#note(help);
        break;
      case 'quit':
        this.#left.resolve();
        break;
      case 'cancel':
        this.cancel();
        break;
      case 'new':
        this.#inOrder(() => this.#newSession(command.title));
        break;
      case 'sessions':
        this.#inOrder(() => this.#sessions(command.which));
        break;
      case 'unknown':
        this.#note(`There is no /${command.name}; /help says what there is.`);
        break;
    }
  }

  #say(text: string): void {
    if (text.length <= limits.messageChars) {
      const id = uuidv7();
      this.#sent(id, { kind: 'message', text }, this.#session.send(text, { id }));
    } else {
      const most = limits.messageChars;
      this.#note(`Not sent: ${text.length} characters, and a message may have ${most}. Send it in parts.`);
    }
  }

  async #newSession(title: string | undefined): Promise<void> {
    const session = await this.#client.sessions.create(title === undefined ? {} : { title });
    await this.#switchTo(session.id, 'A new session.');
  }

  async #sessions(which: string | undefined): Promise<void> {
    if (which === undefined) {
      this.#listed = (await this.#client.sessions.list({ limit: listedSessions })).sessions;
      const lines = this.#listed.map((session, index) =>
        lineOf(session, index + 1, this.#conversation.sessionId),
      );
      return this.#note(['Your newest sessions:', ...lines].join('\n'));
    }
    const id = this.#listed[Number(which) - 1]?.id ?? which;
    await this.#switchTo(id, `Session ${id}.`);
  }

  /** What is printed stays; the other session's history follows it. */
  async #switchTo(sessionId: string, words: string): Promise<void> {
    const session = await openSession(this.#client, sessionId);
    this.#session.close();
    this.#session = session;
    this.#begin(words);
    this.#follow();
  }

  /** What is printed stays; the session as it is now follows it. */
  #begin(words: string): void {
    this.#note(words);
    const now = conversationOf(this.#session.getSnapshot());
    this.#set({ ...now, log: [...this.#conversation.log, ...now.log] });
  }

  /** One at a time; a failure is told and changes nothing. */
  #inOrder(work: () => Promise<void>): void {
    if (this.#isOpening) {
      this.#note('One moment, the last command is not done yet.');
      return;
    }
    this.#isOpening = true;
    work()
      .catch((error: unknown) => this.#note(errorText(failureOf(error, this.#findTarget))))
      .finally(() => {
        this.#isOpening = false;
      });
  }

  /** What the session tells from here on. */
  #follow(): void {
    const session = this.#session;
    const look = () => {
      if (session !== this.#session) return;
      const view = session.getSnapshot();
      const { connection, messages } = view;
      const stream = messages.findLast((message) => message.state === 'streaming') ?? null;
      if (connection !== this.#conversation.connection) this.#apply({ kind: 'connection', connection });
      if (stream !== this.#conversation.stream) this.#apply({ kind: 'stream', stream });
      const waiting = waitingOf(view);
      if (!isSameWaiting(waiting, this.#conversation.waiting)) this.#apply({ kind: 'waiting', waiting });
      this.#readTerms();
    };
    look();
    session.store.subscribe(look);
    session.onFrame((frame) => {
      if (session !== this.#session) return;
      const isAnswer = (frame.type === 'ack' || frame.type === 'error') && frame.id !== undefined;
      if (frame.type === 'resync') {
        this.#begin('What happened meanwhile is not all kept; here is the session as it is now.');
        look();
      } else if (!isAnswer) this.#apply({ kind: 'frame', frame, now: Date.now() });
    });
  }

  /** What the rule of a call lets a person do, read once; without it an approval is for once. */
  #readTerms(): void {
    for (const { id } of this.#conversation.waiting.approvals) {
      if (this.#termsRead.has(id)) continue;
      this.#termsRead.add(id);
      this.#client.approvals.get(id).then(
        ({ remember: mostRemember }) => this.#apply({ kind: 'terms', toolCallId: id, mostRemember }),
        (error: unknown) => this.#note(`Whether it can be remembered is not known: ${errorText(error)}`),
      );
    }
  }

  /** Shows what was sent until its effect is here; a refusal is told. */
  #sent(id: string, what: Omittable<Outgoing>, answer: Promise<AckFrame>): void {
    const session = this.#session;
    this.#apply({ kind: 'sending', outgoing: { ...what, id } });
    const answered = (frame: ServerFrame) => {
      if (session === this.#session) this.#apply({ kind: 'frame', frame, now: Date.now() });
    };
    answer.then(
      (ack) => answered({ ...ack, id }),
      (error: unknown) => answered({ type: 'error', id, code: codeOf(error), error: errorText(error) }),
    );
  }

  #note(text: string): void {
    this.#apply({ kind: 'notice', text });
  }

  #apply(input: ConversationInput): void {
    this.#set(reduce(this.#conversation, input));
  }

  #set(conversation: Conversation): void {
    this.#conversation = conversation;
    for (const listener of [...this.#listeners]) listener();
  }
}

type Omittable<T> = T extends { id: string } ? Omit<T, 'id'> : never;

/** A session whose history is here. @throws StartFailure where it cannot be read */
async function openSession(client: Client, sessionId: string): Promise<Session> {
  const session = client.session(sessionId, { pageMessages });
  await new Promise<void>((resolve) => {
    const look = () => {
      const { isLoaded, connection } = session.getSnapshot();
      if (!isLoaded && connection.kind !== 'stopped' && connection.kind !== 'waiting') return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = session.store.subscribe(look);
  });
  const { isLoaded, connection } = session.getSnapshot();
  if (isLoaded) return session;
  session.close();
  const why = 'why' in connection ? connection.why : '';
  throw new StartFailure(`The session cannot be opened: ${why}`);
}

function codeOf(error: unknown): ErrorCode {
  const code = error instanceof TurngateError ? error.code : 'processing_error';
  return errorCode.safeParse(code).data ?? 'unavailable';
}

function lineOf(session: SessionView, number: number, current: string): string {
  const when = new Date(session.updated_at).toISOString().slice(0, 16).replace('T', ' ');
  const mark = session.id === current ? ' (this one)' : '';
  return `  ${number}  ${when}  ${session.title || session.id}${mark}`;
}
