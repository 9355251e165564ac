import { assertTrue } from './tour-failure.ts';
import { type Visit, waitFor } from './visit.ts';

type Role = 'worker' | 'gateway';

/** The worker and the gateway. @returns how long there was none, in ms */
export async function killBoth(visit: Visit): Promise<number> {
  visit.narrator.part('kill -9 of the worker and the gateway, while the approval is pending');
  return await kill(visit, ['worker', 'gateway']);
}

/** @returns how long one of them was missing, in ms */
export async function kill(visit: Visit, killed: readonly Role[]): Promise<number> {
  const { copy, conversation, narrator, signal } = visit;
  const before = copy.info().processes;
  const back = Promise.all(
    killed.map((role) => copy.nextLine((line) => line.startsWith(`${role} is back`), signal)),
  );
  // Awaited below; where the tour ends before that, its end is told by what is awaited then.
  back.catch(() => undefined);
  const at = performance.now();
  for (const role of killed) {
    const pid = before[role];
    assertTrue(pid !== undefined, `dev.json names no process of the ${role}`);
    process.kill(pid, 'SIGKILL');
    narrator.told(`kill -9 ${pid}  (${role})`);
  }
  if (killed.includes('gateway')) {
    const code = await waitFor(visit, 'the end of the connection', (bound) => conversation.closed(bound));
    narrator.told(`the client's connection is gone (close code ${code})`);
  }
  await waitFor(visit, `${killed.join(' and ')} to be back`, () => back);
  const downMs = performance.now() - at;
  const after = copy.info().processes;
  assertTrue(
    killed.every((role) => after[role] !== undefined && after[role] !== before[role]),
    'dev.json does not name new processes',
  );
  narrator.told(
    killed.length > 1 ? 'both are back, as new processes' : 'it is back, as a new process',
    downMs,
  );
  return downMs;
}

/** The same conversation over a new connection to the new gateway. */
export async function comeBack(visit: Visit): Promise<void> {
  const { conversation, narrator } = visit;
  narrator.part(`Back with last_seq=${conversation.lastSeq}`);
  const began = performance.now();
  const had = conversation.lastSeq;
  const welcome = await waitFor(visit, 'welcome', (bound) => conversation.connect(bound));
  narrator.told(
    `welcome: the session is at seq ${welcome.last_seq}, the client had ${had}`,
    performance.now() - began,
  );
}
