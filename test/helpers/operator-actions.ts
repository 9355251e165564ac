import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { decide } from '../../src/store/decisions.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { fromSetup } from './database.ts';
import type { Scene } from './operator-states.ts';
import type { Whole } from './whole.ts';

const run = promisify(execFile);

export interface Action {
  /** Whether it needs a run of the session that was closed before. */
  earlier?: boolean;
  /** Rejects where Temporal answers an error. */
  act(at: Whole, scene: Scene): Promise<void>;
  /** Of a signal that is recorded as ignored: its name, and what is said about it. */
  recorded?: { signal: string; problem: RegExp };
  /** What runs instead of what was asked for. */
  edited?: string;
  /** Who decides by it. */
  by?: string;
}

/** What the `temporal` command line tool does to the session's open run, or to its last. */
async function temporal(at: Whole, scene: Scene, ...args: string[]): Promise<void> {
  const where = [
    '--address',
    at.config.TEMPORAL_ADDRESS,
    '--workflow-id',
    sessionWorkflowId(scene.sessionId),
  ];
  await run(fromSetup('TURNGATE_TEST_TEMPORAL_BIN'), ['workflow', ...args, ...where]);
}

const reset =
  (type: string, ...more: string[]) =>
  (at: Whole, scene: Scene) =>
    temporal(at, scene, 'reset', '--type', type, '--reason', 'test', ...more);

/** The call of the scene; where there is none, one that is made up. */
const callOf = (scene: Scene) => scene.toolCallId ?? randomUUID();
const noCall = { signal: 'approval', problem: /No call with this id waited/ };

export const actions: Record<string, Action> = {
  terminate: { act: (at, scene) => temporal(at, scene, 'terminate', '--reason', 'test') },
  cancel: { act: (at, scene) => temporal(at, scene, 'cancel') },
  'reset-first': { act: reset('FirstWorkflowTask') },
  'reset-last': { act: reset('LastWorkflowTask') },
  'reset-closed': {
    earlier: true,
    act: (at, scene) => reset('FirstWorkflowTask', '--run-id', scene.earlierRunId ?? '')(at, scene),
  },
  delete: {
    async act(at, scene) {
      await temporal(at, scene, 'delete');
      // The reconciler's look at a running turn, which comes once a minute, is due.
      await at.db.query('update turns set next_check_at = now() where id = $1', [scene.turnId]);
    },
  },
  'signal-wake': { act: (_at, { handle }) => handle.signal('wake') },
  'signal-cancel': { act: (_at, { handle, turnId }) => handle.signal('cancel', { turn_id: turnId }) },
  'signal-decided': {
    by: 'alice',
    async act(at, scene) {
      const { sessionId, toolCallId } = scene;
      const about = { sessionId, approved: true, decidedBy: 'alice', via: 'http' };
      const { client } = scene;
      const isWaiting =
        client.of('tool_approval_request').length > client.of('tool_approval_resolved').length;
      const decided = isWaiting && toolCallId !== null ? await decide(at.db, { ...about, toolCallId }) : null;
      const id = decided?.kind === 'recorded' ? decided.decisionId : randomUUID();
      const signal = { tool_call_id: callOf(scene), approved: true, decision_id: id };
      await scene.handle.signal('approval', signal);
    },
  },
  'signal-forged': {
    act: (_at, scene) =>
      scene.handle.signal('approval', { tool_call_id: callOf(scene), approved: true, decision_id: 'none' }),
  },
  'signal-operator': {
    by: 'operator',
    recorded: noCall,
    act: (_at, scene) => scene.handle.signal('approval', { tool_call_id: callOf(scene), approved: true }),
  },
  'signal-edited': {
    by: 'operator',
    edited: 'edited',
    recorded: noCall,
    act: (_at, scene) =>
      scene.handle.signal('approval', {
        tool_call_id: callOf(scene),
        approved: true,
        arguments: { text: 'edited' },
      }),
  },
  'signal-misfit': {
    recorded: {
      signal: 'approval',
      problem: /No call with this id waited|Field "arguments"|Another decision/,
    },
    act: (_at, scene) =>
      scene.handle.signal('approval', {
        tool_call_id: callOf(scene),
        approved: true,
        arguments: { text: 5 },
      }),
  },
  'signal-malformed': {
    recorded: { signal: 'approval', problem: /approved: must be true or false/ },
    act: (_at, scene) => scene.handle.signal('approval', { tool_call_id: callOf(scene) }),
  },
  'signal-answered': {
    by: 'alice',
    async act(at, scene) {
      const { sessionId, requestId } = scene;
      const answer = { action: 'accept', content: { more: 1 }, userId: 'alice', via: 'http' } as const;
      if (requestId !== null) await answerQuestion(at.db, { sessionId, requestId, ...answer });
      await scene.handle.signal('input', { request_id: requestId ?? randomUUID() });
    },
  },
  'signal-input': {
    act: (_at, { handle, requestId }) => handle.signal('input', { request_id: requestId ?? randomUUID() }),
  },
  'signal-unknown': {
    recorded: { signal: 'approve', problem: /There is no such signal/ },
    act: (_at, { handle }) => handle.signal('approve', { yes: true }),
  },
};
