import type { SessionSnapshot } from '../client/index.ts';

const agentWords: Record<NonNullable<SessionSnapshot['agent']>['status'], string> = {
  thinking: 'thinking …',
  streaming: 'writing …',
  running_tool: 'running a tool …',
  waiting_approval: 'waits for an approval',
  waiting_input: 'asks you something',
  retrying: 'trying again …',
  stalled: 'no sign of life; it will be taken up again',
  idle: '',
};

/** What the agent does, in words. */
export function agentText(at: SessionSnapshot): string {
  return at.agent === null ? '' : agentWords[at.agent.status];
}

/** How the connection is, in words; nothing where all is well. */
export function connectionText(at: SessionSnapshot, now: number): string {
  const { connection } = at;
  if (connection.kind === 'open') return '';
  if (connection.kind === 'connecting') return 'Connecting …';
  if (connection.kind === 'stopped') return connection.why;
  const seconds = Math.max(0, Math.ceil((connection.until - now) / 1_000));
  return `Not connected (${connection.why}). Next try in ${seconds} s.`;
}

/** Who else is here. */
export function presenceText(at: SessionSnapshot): string {
  const others = at.presence.filter(({ user_id: id }) => id !== at.user?.id).map(({ user_id: id }) => id);
  const mine = at.presence.find(({ user_id: id }) => id === at.user?.id)?.devices ?? 1;
  const writing = at.typing.length > 0 ? `${at.typing.join(', ')} is writing …` : '';
  const here = [
    ...(mine > 1 ? [`${mine} devices of yours`] : []),
    ...(others.length > 0 ? [`with ${others.join(', ')}`] : []),
  ];
  return writing || here.join(', ');
}
