import type { StopCode } from '../../client/index.ts';
import type { Conversation } from './conversation.ts';

/** What a person can do when the connection does not come back. */
const afterStop: Record<StopCode, string> = {
  closed: '',
  replaced: '',
  refused: '',
  unauthorized: 'Start again with a new one.',
  forbidden: '/new opens a session of your own.',
  not_found: '/new opens another.',
};

/** The agent's state in words, or null where nothing is known. */
export function agentText(at: Conversation, now: number): string | null {
  const { agent } = at;
  if (!agent) return null;
  if (agent.status === 'idle') return at.turns.length > 0 ? 'waiting for a worker' : 'ready';
  return `${doing(at)} · ${durationText(now - agent.since)}`;
}

function doing(at: Conversation): string {
  const call = at.calls.get(at.agent?.toolCallId ?? '');
  switch (at.agent?.status) {
    case 'thinking':
      return 'thinking';
    case 'streaming':
      return 'writing';
    case 'running_tool':
      return `running ${call?.tool ?? 'a tool'}${call?.progress ? ` (${call.progress})` : ''}`;
    case 'waiting_approval':
      return 'waiting for your approval';
    case 'waiting_input':
      return 'waiting for your answer';
    case 'retrying':
      return `trying again (attempt ${at.agent.attempt ?? 2})`;
    case 'stalled':
      return 'stalled: no sign of life from the worker';
    default:
      return 'ready';
  }
}

export function connectionText(at: Conversation, now: number): string {
  const { connection } = at;
  switch (connection.kind) {
    case 'open':
      return 'connected';
    case 'connecting':
      return 'connecting';
    case 'waiting':
      return `reconnecting in ${Math.max(0, Math.ceil((connection.until - now) / 1_000))} s: ${connection.why}`;
    case 'stopped':
      return `not connected: ${connection.why} ${afterStop[connection.code]}`.trim();
  }
}

/** Whole seconds, then minutes and seconds, then hours and minutes. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
