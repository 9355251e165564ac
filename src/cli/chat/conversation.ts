import type { ConnectionState, Message } from '../../client/index.ts';
import type { AckFrame, AgentState, LiveFrame } from '../../protocol/live-frames.ts';
import { isEventFrame, type ServerFrame } from '../../protocol/server-frames.ts';
import { askedOf, nothingWaits, type Scope, type Waiting } from './asked.ts';
import { applyEvent } from './conversation-events.ts';
import type { LogItem } from './log-item.ts';
import { note, type OpenTurn } from './turn-log.ts';

/** The message that the agent is saying now. */
export type OpenStream = Pick<Message, 'content' | 'thought'>;

export interface OpenCall {
  turnId: string | undefined;
  tool: string;
  arguments: unknown;
  /** What the tool last said about how far it is. */
  progress: string;
}

/** What was sent and has not shown its effect. */
export type Outgoing =
  | { id: string; kind: 'message'; text: string }
  | { id: string; kind: 'decision' }
  | { id: string; kind: 'answer' }
  | { id: string; kind: 'cancel' };

export interface Agent {
  status: AgentState;
  /** Milliseconds since 1970. */
  since: number;
  attempt: number | undefined;
  toolCallId: string | undefined;
}

/** Everything that the terminal shows. */
export interface Conversation {
  sessionId: string;
  log: readonly LogItem[];
  turns: readonly OpenTurn[];
  /** What the agent is saying now, as the client shows it. */
  stream: OpenStream | null;
  calls: ReadonlyMap<string, OpenCall>;
  /** The numbers of the calls that people are asked about, in the order in which they were printed. */
  numbers: ReadonlyMap<string, number>;
  waiting: Waiting;
  /** The most that an approval of a call may be remembered for, where it is known. */
  mostRemember: ReadonlyMap<string, Scope>;
  outgoing: readonly Outgoing[];
  /** null until the gateway says it. */
  agent: Agent | null;
  connection: ConnectionState;
}

export type ConversationInput =
  | { kind: 'frame'; frame: ServerFrame; now: number }
  | { kind: 'connection'; connection: ConnectionState }
  | { kind: 'stream'; stream: OpenStream | null }
  | { kind: 'waiting'; waiting: Waiting }
  | { kind: 'terms'; toolCallId: string; mostRemember: Scope }
  | { kind: 'sending'; outgoing: Outgoing }
  | { kind: 'notice'; text: string };

export function startConversation(sessionId: string, log: readonly LogItem[]): Conversation {
  return {
    sessionId,
    log,
    turns: [],
    stream: null,
    calls: new Map(),
    numbers: new Map(),
    waiting: nothingWaits,
    mostRemember: new Map(),
    outgoing: [],
    agent: null,
    connection: { kind: 'connecting' },
  };
}

/** Gives a call its number, for good. */
export function numbered(numbers: ReadonlyMap<string, number>, toolCallId: string): Map<string, number> {
  return new Map(numbers).set(toolCallId, numbers.get(toolCallId) ?? numbers.size + 1);
}

/** Pure: events in the order of their `seq`, each once; live frames as they come. */
export function reduce(at: Conversation, input: ConversationInput): Conversation {
  switch (input.kind) {
    case 'notice':
      return note(at, { kind: 'notice', text: input.text });
    case 'sending':
      return { ...at, outgoing: [...at.outgoing, input.outgoing] };
    case 'connection':
      return { ...at, connection: input.connection };
    case 'stream':
      return { ...at, stream: input.stream };
    case 'waiting':
      return { ...at, waiting: input.waiting };
    case 'terms': {
      const mostRemember = new Map(at.mostRemember).set(input.toolCallId, input.mostRemember);
      return { ...at, mostRemember };
    }
    case 'frame':
      return isEventFrame(input.frame) ? applyEvent(at, input.frame) : applyLive(at, input.frame, input.now);
  }
}

function applyLive(at: Conversation, frame: LiveFrame, now: number): Conversation {
  switch (frame.type) {
    case 'welcome':
      // What the agent does is said again at each connection.
      return { ...at, agent: null };
    case 'agent_status':
      return { ...at, agent: agentOf(at, frame, now) };
    case 'tool_progress': {
      const call = at.calls.get(frame.tool_call_id);
      if (!call) return at;
      const { progress, total, message } = frame;
      const share = total === undefined ? String(progress) : `${progress} of ${total}`;
      const calls = new Map(at.calls).set(frame.tool_call_id, { ...call, progress: message ?? share });
      return { ...at, calls };
    }
    case 'ack':
      return applyAck(at, frame);
    case 'error':
      return applyError(at, frame);
    default:
      return at;
  }
}

function agentOf(at: Conversation, frame: Extract<LiveFrame, { type: 'agent_status' }>, now: number): Agent {
  const { status, details } = frame;
  const { attempt, tool_call_id: toolCallId } = details;
  const before = at.agent;
  const isSame = before?.status === status && before.toolCallId === toolCallId && before.attempt === attempt;
  const askedAt =
    status === 'waiting_approval' || status === 'waiting_input' ? askedOf(at.waiting)[0]?.at : undefined;
  // What had begun before this connection is counted from its own beginning, by the server's account.
  const begun = before ? now : now - (details.elapsed_ms ?? 0);
  const since = isSame ? before.since : Math.min(now, askedAt ?? begun);
  return { status, since, attempt, toolCallId };
}

function applyAck(at: Conversation, frame: AckFrame): Conversation {
  const sent = at.outgoing.find((item) => item.id === frame.id);
  // A message stays until the event itself is here.
  if (!sent || sent.kind === 'message') return at;
  const next = { ...at, outgoing: at.outgoing.filter((item) => item !== sent) };
  if (frame.disposition !== 'conflict') return next;
  const { decision, input } = frame;
  const text = decision
    ? `Your decision came too late: ${decision.by} had decided already (${decision.decision}).`
    : `Your answer came too late: ${input?.by} had answered already (${input?.action}).`;
  return note(next, { kind: 'notice', text });
}

function applyError(at: Conversation, frame: Extract<LiveFrame, { type: 'error' }>): Conversation {
  // A failed tool says so by its result too.
  if (frame.tool_call_id !== undefined && frame.id === undefined) return at;
  const sent = at.outgoing.find((item) => item.id === frame.id);
  const what = {
    message: 'Your message was not taken',
    decision: 'Your decision was not taken',
    answer: 'Your answer was not taken',
    cancel: 'Not stopped',
  };
  const text = `${sent ? what[sent.kind] : 'The gateway says'}: ${frame.error}`;
  const outgoing = at.outgoing.filter((other) => other !== sent);
  return note({ ...at, outgoing }, { kind: 'notice', text });
}
