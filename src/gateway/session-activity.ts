import type { AgentState, AgentStatusFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';

type CallState = 'ready' | 'waiting' | 'running' | 'asking';

/**
 * What the agent of one session does, as its events tell, and whether signs of life keep coming while
 * something should be running. Times of `now` are milliseconds since 1970.
 */
export class SessionActivity {
  #turn: { turnId: string; startedAt: number } | null;
  #endedTurnId: string | null = null;
  readonly #queued = new Set<string>();
  readonly #calls = new Map<string, CallState>();
  /** Questions that nobody has answered, and the calls that they are about. */
  readonly #asked = new Map<string, string | null>();
  #attempt: number | undefined;
  #notice: AgentStatusFrame | null = null;
  #lastSignAt: number;
  #isStalled = false;

  constructor(
    start: {
      turn: { turnId: string; startedAt: number } | null;
      queued: string[];
      stream: { attempt: number } | null;
      waiting: string[];
      runningTools: string[];
      asking: { requestId: string; toolCallId: string | null }[];
    },
    now: number,
  ) {
    this.#turn = start.turn;
    for (const turnId of start.queued) this.#queued.add(turnId);
    this.#attempt = start.stream?.attempt;
    for (const id of start.waiting) this.#calls.set(id, 'waiting');
    for (const id of start.runningTools) this.#calls.set(id, 'running');
    for (const { requestId, toolCallId } of start.asking) this.#ask(requestId, toolCallId);
    this.#lastSignAt = now;
  }

  isOf(turnId: string | undefined): boolean {
    return this.#turn?.turnId === turnId;
  }

  /** `isSpeaking`: a stream is open and has text. */
  state(isSpeaking: boolean): AgentState {
    if (!this.#turn) return this.#queued.size > 0 ? 'thinking' : 'idle';
    const calls = new Set(this.#calls.values());
    if (calls.has('running')) return 'running_tool';
    if (isSpeaking) return 'streaming';
    if (calls.has('ready') || this.#attempt !== undefined) return 'thinking';
    if (calls.has('waiting')) return 'waiting_approval';
    return this.#asked.size > 0 ? 'waiting_input' : 'thinking';
  }

  /** Takes an event in. Answers the `retrying` that it calls for, if it does. */
  apply(event: EventFrame): AgentStatusFrame | null {
    switch (event.type) {
      case 'message_saved':
        if (event.role === 'user' && event.turn_id !== undefined && event.turn_id !== this.#turn?.turnId) {
          this.#queued.add(event.turn_id);
        }
        return null;
      case 'turn_started':
        this.#begin(event.turn_id ?? '', event.ts);
        return null;
      case 'stream_start':
        this.#attempt = event.attempt;
        return event.attempt > 1 ? this.#retrying({ attempt: event.attempt }) : null;
      case 'stream_reset':
        this.#attempt = event.attempt;
        return event.attempt === undefined ? null : this.#retrying({ attempt: event.attempt });
      case 'stream_end':
        this.#attempt = undefined;
        return null;
      case 'tool_started':
        this.#calls.set(event.tool_call_id, 'running');
        if (event.attempt <= 1) return null;
        return this.#retrying({ attempt: event.attempt, tool_call_id: event.tool_call_id });
      case 'turn_end':
        this.#end(event.turn_id ?? '');
        return null;
      default:
        this.#applyCall(event);
        return null;
    }
  }

  /** Takes a worker's notice in. Answers false for one of a turn that has ended: it came too late. */
  heed(notice: AgentStatusFrame, now: number): boolean {
    if (notice.turn_id !== undefined && notice.turn_id === this.#endedTurnId) return false;
    this.#notice = notice.turn_id === this.#turn?.turnId ? notice : null;
    this.#lastSignAt = now;
    this.#isStalled = false;
    return true;
  }

  /** A delta or an event came. Answers true when that ends a stall. */
  sign(now: number): boolean {
    this.#lastSignAt = now;
    const wasStalled = this.#isStalled;
    this.#isStalled = false;
    return wasStalled;
  }

  /** Answers true once, when signs have been missing for `stalledMs` while something should be running. */
  beginsToStall(now: number, stalledMs: number, isSpeaking: boolean): boolean {
    const state = this.state(isSpeaking);
    if (isAtRest(state) || this.#isStalled) return false;
    this.#isStalled = now - this.#lastSignAt >= stalledMs;
    return this.#isStalled;
  }

  /** What somebody who joins now has to know. */
  frame(now: number, isSpeaking: boolean): AgentStatusFrame {
    const state = this.state(isSpeaking);
    if (this.#isStalled) return this.#frameOf('stalled', now);
    return !isAtRest(state) && this.#notice ? this.#notice : this.#frameOf(state, now);
  }

  #frameOf(status: AgentState, now: number): AgentStatusFrame {
    const wanted = { running_tool: 'running', waiting_approval: 'waiting', waiting_input: 'asking' }[
      status as string
    ];
    const call = [...this.#calls].find(([, state]) => state === wanted)?.[0];
    return {
      type: 'agent_status',
      status,
      ...(this.#turn ? { turn_id: this.#turn.turnId } : {}),
      details: {
        ...(status === 'stalled' ? { heartbeat_at: this.#lastSignAt } : {}),
        ...(this.#attempt === undefined ? {} : { attempt: this.#attempt }),
        ...(this.#turn ? { elapsed_ms: Math.max(0, now - this.#turn.startedAt) } : {}),
        ...(call === undefined ? {} : { tool_call_id: call }),
      },
    };
  }

  #retrying(details: AgentStatusFrame['details']): AgentStatusFrame {
    const turn = this.#turn ? { turn_id: this.#turn.turnId } : {};
    const frame: AgentStatusFrame = { type: 'agent_status', status: 'retrying', ...turn, details };
    this.#notice = frame;
    return frame;
  }

  #applyCall(event: EventFrame): void {
    if (event.type === 'tool_call' && event.gate === 'allow') this.#calls.set(event.tool_call_id, 'ready');
    if (event.type === 'tool_approval_request') this.#calls.set(event.tool_call_id, 'waiting');
    if (event.type === 'tool_result') this.#calls.delete(event.tool_call_id);
    if (event.type === 'input_request') this.#ask(event.request_id, event.tool_call_id ?? null);
    if (event.type === 'input_resolved') this.#answer(event.request_id);
    if (event.type !== 'tool_approval_resolved') return;
    if (event.decision === 'approved') this.#calls.set(event.tool_call_id, 'ready');
    else this.#calls.delete(event.tool_call_id);
  }

  #ask(requestId: string, toolCallId: string | null): void {
    this.#asked.set(requestId, toolCallId);
    if (toolCallId !== null) this.#calls.set(toolCallId, 'asking');
  }

  /** The call goes on: with the answer, or with another look at what became of it. */
  #answer(requestId: string): void {
    const toolCallId = this.#asked.get(requestId) ?? null;
    this.#asked.delete(requestId);
    const isWaiting = toolCallId !== null && this.#calls.get(toolCallId) === 'asking';
    if (isWaiting) this.#calls.set(toolCallId, 'running');
  }

  #begin(turnId: string, startedAt: number): void {
    this.#turn = { turnId, startedAt };
    this.#queued.delete(turnId);
    this.#calls.clear();
    this.#asked.clear();
    this.#attempt = undefined;
    this.#notice = null;
  }

  #end(turnId: string): void {
    this.#queued.delete(turnId);
    if (this.#turn && this.#turn.turnId !== turnId) return;
    this.#turn = null;
    this.#endedTurnId = turnId;
    this.#calls.clear();
    this.#asked.clear();
    this.#attempt = undefined;
    this.#notice = null;
  }
}

/** Nobody works, and no sign of life is due. */
export function isAtRest(state: AgentState): boolean {
  return state === 'idle' || state === 'waiting_approval' || state === 'waiting_input';
}
