import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { OnBusy } from '../protocol/on-busy.ts';
import type { Tx } from './db.ts';

/** A session that is busy: at least one of its turns has not ended. */
export interface Busy {
  /** Turns that have not ended. */
  open: number;
  /** The session's own default. */
  onBusy: OnBusy | null;
  /** The turn whose turn it is: the running one, else the first queued one; none that is being stopped already. */
  current: CurrentTurn | null;
}

export interface CurrentTurn {
  id: string;
  status: 'queued' | 'running';
  position: number;
  /** The step under way, or just closed. */
  step: number;
  maxSteps: number | null;
  /** Messages that were steered into it. */
  steered: number;
}

interface BusyRow {
  open: number;
  on_busy: OnBusy | null;
  stopping: boolean;
  id: string;
  status: 'queued' | 'running';
  position: number;
  step: number | null;
  max_steps: number | null;
  steered: number;
}

/** @returns null when every turn of the session has ended */
export async function readBusy(tx: Tx, sessionId: string): Promise<Busy | null> {
  const { rows } = await tx.query<BusyRow>({
    name: 'read-busy',
    text: `select t.open, t.stopping, t.id, t.status, t.position, t.max_steps,
             (select config->>'on_busy' from sessions where id = $1) as on_busy,
             (select max(s.step) from steps s where s.turn_id = t.id) as step,
             (select count(*) from messages m where m.session_id = $1 and m.position = t.position and m.steered) as steered
           from (
             select count(*) over () as open, cancel_requested_at is not null as stopping, id, status, position, max_steps
             from turns where session_id = $1 and status in ('queued', 'running')
             order by stopping, position limit 1) t`,
    values: [sessionId],
  });
  const row = rows[0];
  if (!row) return null;
  const { open, on_busy: onBusy, stopping, max_steps: maxSteps, ...turn } = row;
  return { open, onBusy, current: stopping ? null : { ...turn, step: turn.step ?? 0, maxSteps } };
}

/** What becomes of a message: its place, and the turn that is to stop for it. */
export type Placing =
  | { disposition: 'started' | 'queued' }
  | { disposition: 'interrupted'; stop: CurrentTurn; kind: 'interrupt' | 'rollback' }
  | { disposition: 'steered'; into: CurrentTurn };

/**
 * Decides what becomes of a new message. Where there is nothing to steer into or to stop, it waits like any other.
 * @throws PublicError `busy`
 */
export function placeMessage(busy: Busy | null, wanted: OnBusy | undefined): Placing {
  if (!busy) return { disposition: 'started' };
  const onBusy = wanted ?? busy.onBusy ?? 'enqueue';
  const { open, current } = busy;
  if (onBusy === 'reject') {
    throw new PublicError(
      'busy',
      'A turn of this session has not ended, and this message was not to wait; send it again afterwards.',
    );
  }
  if (onBusy === 'steer' && current && canSteer(current)) return { disposition: 'steered', into: current };
  if (open >= limits.openTurnsPerSession) {
    throw new PublicError(
      'busy',
      `This session already has ${open} messages waiting; send again when some are answered.`,
    );
  }
  if (current && (onBusy === 'interrupt' || onBusy === 'rollback')) {
    return { disposition: 'interrupted', stop: current, kind: onBusy };
  }
  return { disposition: 'queued' };
}

/** Only a running turn with another step to come hears a message; an older version's worker says no bound, and hears none. */
function canSteer(turn: CurrentTurn): boolean {
  const { status, step, maxSteps, steered } = turn;
  return status === 'running' && maxSteps !== null && step < maxSteps && steered < limits.steeredPerTurn;
}
