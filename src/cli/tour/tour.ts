import { comeBack, killBoth } from './crash.ts';
import type { DevCopy } from './dev-copy.ts';
import type { Narrator } from './narrator.ts';
import { approveEdited, finish, turnEnds } from './outcome.ts';
import { answerTool } from './question.ts';
import { askForTool, stream } from './talk.ts';
import { openSession } from './visit.ts';

/**
 * The tour through a copy that is ready: talk, gate, kill -9, come back, approve a change, answer a tool's question over
 * another kill -9, compare.
 * @throws TourFailure at the first thing that is not as it should be
 */
export async function tour(copy: DevCopy, narrator: Narrator, signal: AbortSignal): Promise<void> {
  const visit = await openSession(copy, narrator, signal);
  const { conversation } = visit;
  try {
    await stream(visit);
    const call = await askForTool(visit);
    const downMs = await killBoth(visit);
    await comeBack(visit);
    const approvedAt = await approveEdited(visit, call);
    await turnEnds(visit, call.turnId, approvedAt);
    const room = await answerTool(visit);
    await finish(visit, { gated: call, room, downMs });
  } finally {
    conversation.end();
  }
}
