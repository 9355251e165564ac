import { publishEvents } from '../live/publish-events.ts';
import { recordVerdict } from '../store/decisions.ts';
import { tendGate } from '../store/tend-gate.ts';
import type { Activities } from './contract.ts';
import type { ActivityDeps } from './deps.ts';

/** Does what is due at a gate, its expiry too, and answers how it is now. Safe to run again at any point. */
export async function tend(
  { db, live }: Pick<ActivityDeps, 'db' | 'live'>,
  about: { sessionId: string; toolCallId: string },
): ReturnType<Activities['tendGate']> {
  const { sessionId } = about;
  const tended = await tendGate(db, about);
  if (tended.kind === 'waiting') {
    publishEvents(live, sessionId, tended.events);
    return { kind: 'waiting', call: tended.call };
  }
  if (tended.kind === 'expired') {
    // Only what was found to be over: somebody may have changed it meanwhile, and what they made of it has its own time.
    const { round } = tended;
    const by = { decidedBy: 'turngate', via: 'timeout' };
    const decided = await recordVerdict(db, { ...about, outcome: 'expired', round, ...by });
    if (decided.kind === 'recorded') publishEvents(live, sessionId, decided.events);
  }
  return { kind: 'decided' };
}
