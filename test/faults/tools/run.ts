import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Conversation } from './conversation.ts';
import { Director, type Kill } from './director.ts';
import type { Findings } from './findings.ts';
import { judge } from './judge.ts';
import { Moments } from './moments.ts';
import { Place } from './place.ts';
import { planTools, type ToolsPlan } from './plan.ts';
import { readEffects, readStore } from './read-record.ts';
import type { ToolsRecord } from './record.ts';
import { startToolsSystem, type ToolsSystem } from './system.ts';

export interface ToolsReport {
  record: ToolsRecord;
  findings: Findings;
  kills: Kill[];
  seconds: number;
  /** Where the logs and the record are, if anything was found; null where all is well. */
  folder: string | null;
}

/** Longer than a lease, a heartbeat's timeout and the longest pause between two attempts together. */
const settleMs = 120_000;
const levelBoundMs = 30_000;
const pollMs = 100;
const tellEveryMs = 10_000;

/**
 * The product as processes; people who ask for calls and decide about them; and kills, aimed and at random, until every
 * turn has been asked for. Then everything has to end by itself, and the judge looks at what happened.
 */
export async function runTools(
  plan: ToolsPlan & { gateways: number; boundMs: number },
  say: (line: string) => void,
): Promise<ToolsReport> {
  const began = performance.now();
  const died: string[] = [];
  const moments = new Moments();
  const system = await startToolsSystem({
    momentsUrl: await moments.open(),
    gateways: plan.gateways,
    onDeath: (words) => died.push(words),
  });
  let keepFolder = true;
  try {
    const { record, kills } = await talk(system, moments, plan, say);
    record.died.push(...died);
    const findings = judge(record);
    keepFolder = !findings.isClean;
    if (keepFolder) saveAll(system.folder, record, kills);
    const seconds = Math.round((performance.now() - began) / 1_000);
    return { record, findings, kills, seconds, folder: keepFolder ? system.folder : null };
  } finally {
    moments.close();
    await system.stop({ keepFolder });
  }
}

async function talk(
  system: ToolsSystem,
  moments: Moments,
  plan: ToolsPlan & { boundMs: number },
  say: (line: string) => void,
): Promise<{ record: ToolsRecord; kills: Kill[] }> {
  const sessions = planTools(plan);
  const planned = sessions.flatMap((session) => session.turns.flat());
  const director = new Director(system, planned);
  moments.listener = (moment) => director.onMoment(moment);
  const place = await Place.open(system, ['alice', 'bob']);
  const over = AbortSignal.timeout(plan.boundMs);
  const conversations = sessions.map((session) => new Conversation(place, director, session, over));
  const quiet = new AbortController();
  const killing = director.killAtRandom({ ...plan, signal: AbortSignal.any([over, quiet.signal]) });
  let open = conversations.length;
  const teller = setInterval(
    () => say(`${open} sessions go on, ${director.kills.length} kills`),
    tellEveryMs,
  );
  try {
    await Promise.all(
      conversations.map(async (conversation) => {
        await conversation.run(settleMs);
        open -= 1;
        // The last few end in peace, so that what hangs is seen to hang by itself.
        if (open <= conversations.length / 10) quiet.abort();
      }),
    );
    quiet.abort();
    await killing;
    await Promise.all(
      [system.worker, system.temporal, ...system.gateways.map(({ part }) => part)].map((part) => part.back()),
    );
    await untilLevel(system, conversations);
    const stuck = conversations.flatMap(({ stuck: words }) => (words === null ? [] : [words]));
    if (over.aborted) stuck.push(`the run was not over after ${plan.boundMs / 1_000} s`);
    const record = {
      planned,
      said: conversations.flatMap(({ people }) => people.said),
      answered: conversations.flatMap(({ people }) => people.answered),
      effects: readEffects(system.effectsFile),
      ...(await readStore(system.databaseUrl)),
      logs: conversations.flatMap((conversation) => conversation.close()),
      stuck,
      died: [],
    };
    return { record, kills: director.kills };
  } finally {
    clearInterval(teller);
    quiet.abort();
    for (const conversation of conversations) conversation.close();
  }
}

/** Until every device has what is stored, or for a bounded time: what is missing then, the judge counts. */
async function untilLevel(system: ToolsSystem, conversations: Conversation[]): Promise<void> {
  const { events } = await readStore(system.databaseUrl);
  const last = new Map(events.map(({ session_id, seq }) => [session_id, seq]));
  const isLevel = () =>
    conversations.every(({ seqs: { sessionId, seqs } }) =>
      seqs.every((seq) => seq >= (last.get(sessionId) ?? 0)),
    );
  const deadline = performance.now() + levelBoundMs;
  while (!isLevel() && performance.now() < deadline) await delay(pollMs);
}

function saveAll(folder: string, record: ToolsRecord, kills: Kill[]): void {
  writeFileSync(join(folder, 'record.json'), JSON.stringify({ kills, ...record }, null, 2));
}
