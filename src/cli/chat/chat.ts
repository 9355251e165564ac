import { v7 as uuidv7 } from 'uuid';
import type { SessionView } from '../../protocol/http.ts';
import { limits } from '../../protocol/limits.ts';
import { cutAt } from '../../protocol/text.ts';
import { reasonOf } from '../dev/start-failure.ts';
import { type Command, help, parseCommand } from './commands.ts';
import { type Conversation, type ConversationInput, type Outgoing, reduce } from './conversation.ts';
import { loadHistory } from './history.ts';
import type { HttpApi } from './http-api.ts';
import { type SentFrame, SessionClient } from './session-client.ts';
import type { FindTarget } from './target.ts';

const listedSessions = 10;

/** What a person does in the terminal, and the conversation that follows from it. Tells its listeners of each change. */
export class Chat {
  readonly #api: HttpApi;
  readonly #findTarget: FindTarget;
  readonly #listeners = new Set<() => void>();
  readonly #left = Promise.withResolvers<void>();
  #client: SessionClient | null = null;
  #conversation: Conversation;
  #listed: SessionView[] = [];
  #isOpening = false;

  private constructor(options: { api: HttpApi; findTarget: FindTarget; at: Conversation }) {
    this.#api = options.api;
    this.#findTarget = options.findTarget;
    this.#conversation = options.at;
  }

  /** @throws StartFailure where the session cannot be read */
  static async open(options: { api: HttpApi; findTarget: FindTarget; sessionId: string }): Promise<Chat> {
    const { conversation, lastSeq } = await loadHistory(options.api, options.sessionId);
    const chat = new Chat({ ...options, at: conversation });
    chat.#note(`Session ${options.sessionId}. /help says what you can do here.`);
    chat.#follow(options.sessionId, lastSeq);
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

  decide(toolCallId: string, decision: { approved: boolean; reason?: string }): void {
    const asked = this.#conversation.approvals.find((approval) => approval.toolCallId === toolCallId);
    if (!asked) return;
    const { approved, reason } = decision;
    this.#send(
      {
        type: 'tool_approval',
        id: uuidv7(),
        tool_call_id: toolCallId,
        approved,
        arguments_hash: asked.argumentsHash,
        ...(reason ? { reason: reason.slice(0, cutAt(reason, limits.reasonChars)) } : {}),
      },
      { kind: 'decision', toolCallId },
    );
  }

  /** Stops the running turn. */
  cancel(): void {
    const turnId = this.#conversation.turns[0]?.turnId;
    // Named, so that sent again it cannot stop the turn after it.
    if (turnId === undefined) this.#note('Nothing is running.');
    else this.#send({ type: 'cancel', id: uuidv7(), turn_id: turnId }, { kind: 'cancel' });
  }

  close(): void {
    this.#client?.close();
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
      this.#send({ type: 'message', id: uuidv7(), content: text }, { kind: 'message', text });
    } else {
      const most = limits.messageChars;
      this.#note(`Not sent: ${text.length} characters, and a message may have ${most}. Send it in parts.`);
    }
  }

  async #newSession(title: string | undefined): Promise<void> {
    const session = await this.#api.createSession(title);
    await this.#switchTo(session.id, 'A new session.');
  }

  async #sessions(which: string | undefined): Promise<void> {
    if (which === undefined) {
      this.#listed = await this.#api.sessions(listedSessions);
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
    const { conversation, lastSeq } = await loadHistory(this.#api, sessionId);
    this.#client?.close();
    this.#note(words);
    this.#set({ ...conversation, log: [...this.#conversation.log, ...conversation.log] });
    this.#follow(sessionId, lastSeq);
  }

  /** One at a time; a failure is told and changes nothing. */
  #inOrder(work: () => Promise<void>): void {
    if (this.#isOpening) {
      this.#note('One moment, the last command is not done yet.');
      return;
    }
    this.#isOpening = true;
    work()
      .catch((error: unknown) => this.#note(reasonOf(error)))
      .finally(() => {
        this.#isOpening = false;
      });
  }

  #follow(sessionId: string, lastSeq: number): void {
    const client: SessionClient = new SessionClient({
      findTarget: this.#findTarget,
      sessionId,
      lastSeq,
      onFrame: (frame) => this.#apply({ kind: 'frame', frame, now: Date.now() }),
      onConnection: (connection) => this.#apply({ kind: 'connection', connection }),
    });
    this.#client = client;
    client.connect();
  }

  #send(frame: SentFrame, what: Omittable<Outgoing>): void {
    // First: an answer may come before `send` is back.
    this.#apply({ kind: 'sending', outgoing: { ...what, id: frame.id } });
    if (this.#client?.send(frame)) return;
    const error = 'there is no connection, or too much waits for an answer already.';
    this.#apply({
      kind: 'frame',
      frame: { type: 'error', id: frame.id, code: 'unavailable', error },
      now: Date.now(),
    });
  }

  #note(text: string): void {
    this.#apply({ kind: 'notice', text });
  }

  #apply(input: ConversationInput): void {
    const before = this.#conversation;
    this.#set(reduce(before, input));
    if (this.#conversation.text.isMissing && !before.text.isMissing) this.#client?.resume();
  }

  #set(conversation: Conversation): void {
    this.#conversation = conversation;
    for (const listener of [...this.#listeners]) listener();
  }
}

type Omittable<T> = T extends { id: string } ? Omit<T, 'id'> : never;

function lineOf(session: SessionView, number: number, current: string): string {
  const when = new Date(session.updated_at).toISOString().slice(0, 16).replace('T', ' ');
  const mark = session.id === current ? ' (this one)' : '';
  return `  ${number}  ${when}  ${session.title || session.id}${mark}`;
}
