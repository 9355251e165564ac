import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { isEventFrame } from '../../src/protocol/server-frames.ts';
import { sessionWorkflowId, type TurnState } from '../../src/protocol/turn-workflow.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { createTurnClient } from '../../src/temporal/turn-client.ts';
import { answerLimit } from './limits.ts';
import type { ModelCall, Reply } from './scripted-model.ts';
import type { SessionClient } from './session-client.ts';
import { eventually } from './turn-harness.ts';
import type { Whole } from './whole.ts';

/** A session with a client in it, in one of the states that an operator may find a run in. */
export interface Scene {
  sessionId: string;
  /** The turn that it is about; of an idle session, the last one. */
  turnId: string;
  client: SessionClient;
  handle: WorkflowHandle;
  /** The call that waits or runs, where there is one. */
  toolCallId: string | null;
  /** The question that is open, where one is. */
  requestId: string | null;
  /** A run of the session that was closed before, where one was wanted. */
  earlierRunId: string | null;
  /** Lets the turn go its way from here. */
  release(): Promise<void>;
  /** Takes away what was started for it alone. */
  leave?(): Promise<void>;
}

export interface State {
  /** @param earlier whether the session is to have a turn that has ended before */
  enter(at: Whole, earlier: boolean): Promise<Scene>;
  /** Types of all events of the turn when nobody interferes. */
  untouched: string[];
  /** Settings that this state needs. */
  settings?(): Record<string, string>;
  /** What the model had said and not finished when the state was entered. */
  streaming?: string;
  /** What becomes of the call that is open when its turn ends. */
  openCall?: 'cancelled' | 'unknown';
}

const userId = 'alice';
const said = ['turn_started', 'stream_start', 'stream_end'];
const ran = ['tool_started', 'tool_result', 'stream_start', 'stream_end', 'turn_end'];
const asked = ['tool_call', 'tool_approval_request', 'tool_approval_resolved'];

const worked = ['tool_call', 'tool_started', 'tool_result', 'stream_start', 'stream_end'];
const answered = ['input_request', 'input_resolved'];

/** What the model waits for, by the word in the message. */
const held = new Map<string, PromiseWithResolvers<void>>();

/**
 * Messages say what the model is to do: `hold <word>`, `call <tool> <text or file>`, `work` (two steps with a call);
 * anything else is answered.
 */
function followMessages(request: ModelCall): Reply {
  const last = request.messages.at(-1);
  const [what, which = '', text = ''] = String(last?.content ?? '').split(' ');
  if (last?.role === 'user' && what === 'hold')
    return ['so far', { until: holdOf(which).promise }, ' and on'];
  const asked = request.messages.findLastIndex(({ role }) => role === 'user');
  const results = request.messages.slice(asked).filter(({ role }) => role === 'tool').length;
  if (request.messages[asked]?.content === 'work' && results < 2) return [slow];
  if (last?.role !== 'user' || what !== 'call') return ['ok'];
  const args = which.startsWith('hold') ? { file: text } : { text };
  return [{ toolCall: { name: `test__${which}`, arguments: args } }];
}

function holdOf(word: string): PromiseWithResolvers<void> {
  const hold = held.get(word) ?? Promise.withResolvers<void>();
  held.set(word, hold);
  return hold;
}

const slow = { toolCall: { name: 'test__slow', arguments: { seconds: 0 } } };

type Opened = Pick<Scene, 'sessionId' | 'client' | 'handle' | 'earlierRunId' | 'requestId'>;

async function open(at: Whole, earlier: boolean): Promise<Opened> {
  at.model.script(followMessages);
  const sessionId = await at.session();
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  const opened = { sessionId, handle, requestId: null };
  if (!earlier) return { ...opened, earlierRunId: null, client: await at.connect(sessionId) };
  await at.say(sessionId, 'plain');
  const { seq } = await at.event(sessionId, 'turn_end');
  await untilCompleted(handle);
  const client = await at.connect(sessionId, { query: { last_seq: String(seq) } });
  return { ...opened, earlierRunId: (await handle.describe()).runId, client };
}

export async function untilCompleted(handle: WorkflowHandle): Promise<void> {
  await eventually('the end of the run', async () => (await handle.describe()).status.name === 'COMPLETED');
}

/** Types of the events of a turn, as the client has got them. */
export function typesOf(scene: Scene): string[] {
  const events = scene.client.frames.filter(isEventFrame);
  const ofTurn = events.filter((event) => 'turn_id' in event && event.turn_id === scene.turnId);
  return ofTurn.map(({ type }) => type).filter((type) => type !== 'message_saved');
}

async function inStream(at: Whole, earlier: boolean): Promise<Scene> {
  const opened = await open(at, earlier);
  const word = randomUUID();
  const turnId = await at.say(opened.sessionId, `hold ${word}`);
  await eventually('what is said, in the draft', async () => {
    const { rows } = await at.db.query('select content from drafts where session_id = $1', [
      opened.sessionId,
    ]);
    return rows[0]?.content === 'so far';
  });
  const release = async () => holdOf(word).resolve();
  return { ...opened, turnId, toolCallId: null, release };
}

async function atGate(at: Whole, earlier: boolean, message: string): Promise<Scene> {
  const opened = await open(at, earlier);
  const turnId = await at.say(opened.sessionId, message);
  const { tool_call_id: toolCallId } = await opened.client.frame('tool_approval_request');
  await eventually('the gate', async () => {
    const { gates } = await opened.handle.query<{ gates: { state: string }[] }, []>('turnState');
    return gates[0]?.state === 'waiting';
  });
  const release = () => at.decide(opened.sessionId, toolCallId, true);
  return { ...opened, turnId, toolCallId, release };
}

async function inTool(at: Whole, scene: Scene, file: string): Promise<Scene> {
  const { tool_call_id: toolCallId } = await scene.client.frame('tool_started');
  await eventually('the call at the server', async () =>
    at.effects().some((effect) => effect.tool_call_id === toolCallId),
  );
  return { ...scene, toolCallId, release: async () => writeFileSync(file, '') };
}

/** A limit is reached, and people are asked whether the turn goes on. */
async function atLimit(at: Whole, earlier: boolean): Promise<Scene> {
  const opened = await open(at, earlier);
  const turnId = await at.say(opened.sessionId, 'work');
  const asked = await opened.client.frame('input_request');
  await eventually('the question', async () => {
    const { state } = await opened.handle.query<TurnState, []>('turnState');
    return state === 'waiting_input';
  });
  const { request_id: requestId, tool_call_id: toolCallId = null } = asked;
  const release = () => answerLimit(at, asked, 'accept', 1);
  return { ...opened, turnId, toolCallId, requestId, release };
}

function limitsOf(limits: object): Record<string, string> {
  const file = join(mkdtempSync(join(tmpdir(), 'turngate-limits-')), 'limits.yaml');
  writeFileSync(file, JSON.stringify(limits));
  return { TURNGATE_LIMITS: file };
}

/** In the harness's folder, which goes with it. */
const freeFile = ({ env }: Whole) => join(dirname(env.TURNGATE_MCP_CONFIG ?? ''), randomUUID());

export const states: Record<string, State> = {
  queued: {
    untouched: [...said, 'turn_end'],
    async enter(at, earlier) {
      const opened = await open(at, earlier);
      const { sessionId } = opened;
      // A task queue that no worker looks at yet.
      const taskQueue = `test-${randomUUID()}`;
      const message = { sessionId, userId, clientMessageId: randomUUID(), content: 'plain' };
      const { turnId } = await acceptMessage(at.db, message);
      // It has waited for so long that the reconciler looks after it seldom.
      const seldom = `next_check_at = now() + interval '10 minutes', check_delay_ms = 600000`;
      await at.db.query(`update turns set ${seldom} where id = $1`, [turnId]);
      await createTurnClient(at.client, { taskQueue }).wake({ sessionId, userId });
      let worker: { close(): Promise<void> } | undefined;
      const release = async () => {
        // It needs no tools, and starts sooner without.
        const settings = { TEMPORAL_TASK_QUEUE: taskQueue, TURNGATE_MCP_CONFIG: freeFile(at) };
        worker = await at.startWorker(settings);
      };
      const leave = async () => worker?.close();
      return { ...opened, turnId, toolCallId: null, release, leave };
    },
  },
  model: { untouched: [...said, 'turn_end'], streaming: 'so far', enter: inStream },
  gate: {
    untouched: [...said, ...asked, ...ran],
    openCall: 'cancelled',
    enter: (at, earlier) => atGate(at, earlier, `call effect ${randomUUID()}`),
  },
  question: {
    settings: () => limitsOf({ turn: { steps: 2 } }),
    untouched: [...said, ...worked, ...worked.slice(0, 3), ...answered, ...worked.slice(3), 'turn_end'],
    enter: atLimit,
  },
  asking: {
    settings: () => limitsOf({ turn: { tool_calls: 1 } }),
    untouched: [...said, ...worked, 'tool_call', ...answered, ...worked.slice(1), 'turn_end'],
    openCall: 'cancelled',
    enter: atLimit,
  },
  tool: {
    untouched: [...said, 'tool_call', ...ran],
    openCall: 'cancelled',
    async enter(at, earlier) {
      const opened = await open(at, earlier);
      const file = freeFile(at);
      const turnId = await at.say(opened.sessionId, `call hold ${file}`);
      return inTool(at, { ...opened, turnId, toolCallId: null, release: async () => undefined }, file);
    },
  },
  effect: {
    untouched: [...said, ...asked, ...ran],
    openCall: 'unknown',
    async enter(at, earlier) {
      const file = freeFile(at);
      const scene = await atGate(at, earlier, `call hold_effect ${file}`);
      await scene.release();
      return inTool(at, scene, file);
    },
  },
  ending: {
    untouched: [...said, 'turn_end'],
    async enter(at, earlier) {
      const scene = await inStream(at, earlier);
      // One more waits behind it, so that the run continues as new.
      await at.say(scene.sessionId, 'plain');
      const lock = await holdLock(at, scene.sessionId);
      await scene.release();
      await eventually('the closing, behind the lock', lock.isAwaited);
      return { ...scene, release: lock.release };
    },
  },
  idle: {
    untouched: [...said, 'turn_end'],
    async enter(at, earlier) {
      const opened = await open(at, earlier);
      const turnId = await at.say(opened.sessionId, 'plain');
      await opened.client.frame('turn_end', (end) => end.turn_id === turnId);
      await untilCompleted(opened.handle);
      return { ...opened, turnId, toolCallId: null, release: async () => undefined };
    },
  },
};

/** Holds the session's row, which whoever ends a turn needs. */
async function holdLock(at: Whole, sessionId: string) {
  const holder = await at.db.connect();
  await holder.query('begin');
  await holder.query('select from sessions where id = $1 for update', [sessionId]);
  const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
  return {
    async isAwaited() {
      const waiting = await at.db.query(
        'select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)) and datname = current_database()',
        [rows[0]?.pid],
      );
      return waiting.rowCount !== 0;
    },
    async release() {
      await holder.query('commit');
      holder.release();
    },
  };
}
