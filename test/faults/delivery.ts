import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { type Client, createClient, type SocketConstructor } from '../../src/client/index.ts';
import { LinkProxy } from './link-proxy.ts';
import { Person } from './person.ts';
import type { FaultSystem } from './system.ts';
import { startFaultSystem } from './system.ts';
import { Tally } from './tally.ts';
import { question } from './truth.ts';

export interface DeliveryPlan {
  seed: number;
  /** Devices; two are in each session. */
  clients: number;
  /** Connections that are ended by a fault before it stops. */
  cuts: number;
  /** How long a connection is well between two faults, on average. */
  meanGoodMs: number;
  /** Settings of gateways and worker. */
  settings?: Record<string, string>;
}

export interface DeliveryReport {
  tally: Tally;
  counts: LinkProxy['counts'];
  turns: number;
  events: number;
  seconds: number;
}

const roundBoundMs = 240_000;
const levelBoundMs = 90_000;
const pollMs = 100;
/** Sessions begin apart from each other. */
const startSpreadMs = 3_000;
const sayEveryMs = 5_000;

/**
 * Two gateways, and between them and the clients a proxy that cuts, stalls, half-opens and slices. Each session has two
 * devices; one asks and waits for the answer, the other looks on. When enough was cut, the link is healed, and every
 * device has to show what is stored.
 */
export async function runDelivery(plan: DeliveryPlan, say: (line: string) => void): Promise<DeliveryReport> {
  const system = await startFaultSystem(plan.settings ?? {});
  try {
    const proxy = await LinkProxy.open({ ...plan, targets: system.gateways });
    try {
      return await chat(system, proxy, plan, say);
    } finally {
      await proxy.close();
    }
  } finally {
    await system.stop();
  }
}

async function chat(
  system: FaultSystem,
  proxy: LinkProxy,
  plan: DeliveryPlan,
  say: (line: string) => void,
): Promise<DeliveryReport> {
  const began = performance.now();
  const tally = new Tally();
  const straight = clientAt(system.info.http, system.info.token);
  const faulty = clientAt(`http://${proxy.address}`, system.info.token);
  const sessions = await Promise.all(
    Array.from({ length: Math.ceil(plan.clients / 2) }, () => straight.sessions.create()),
  );
  const pairs = sessions.map(({ id }) => ({
    id,
    asker: new Person(faulty, id, 'desk', tally),
    watcher: new Person(faulty, id, 'phone', tally),
  }));
  const people = pairs.flatMap(({ asker, watcher }) => [asker, watcher]);
  const teller = setInterval(() => say(progress(proxy, plan)), sayEveryMs);
  let turns = 0;
  try {
    const talking = pairs.map(async ({ id, asker }, index) => {
      await delay((index / pairs.length) * startSpreadMs);
      for (let round = 1; proxy.cuts < plan.cuts; round += 1) {
        await ask(asker, question(`${id} ${round}`));
        turns += 1;
      }
    });
    // Nobody comes back before the proxy ends what hangs in silence; that is a part of it.
    await within(
      roundBoundMs,
      Promise.all(talking),
      () => `the turns did not end (${progress(proxy, plan)})`,
    );
    say(`${progress(proxy, plan)}; the link is healed`);
    proxy.heal();
    const stored = await judgeAll(straight, pairs, tally);
    const seconds = Math.round((performance.now() - began) / 1_000);
    return { tally, counts: proxy.counts, turns, events: stored, seconds };
  } finally {
    clearInterval(teller);
    for (const person of people) person.session.close();
  }
}

/** Asks, and waits until its own device shows the whole answer. */
async function ask(asker: Person, words: string): Promise<void> {
  const { turn_id: turnId } = await asker.session.send(words);
  await new Promise<void>((resolve) => {
    const look = () => {
      const turn = asker.shown.turns.find((one) => one.id === turnId);
      if (turn === undefined || turn.status === 'queued' || turn.status === 'running') return;
      stop();
      resolve();
    };
    const stop = asker.session.store.subscribe(look);
    look();
  });
}

interface Pair {
  id: string;
  asker: Person;
  watcher: Person;
}

/** Waits until every device is level with the store, and compares. Answers how many events are stored. */
async function judgeAll(straight: Client, pairs: Pair[], tally: Tally): Promise<number> {
  let events = 0;
  for (const { id, asker, watcher } of pairs) {
    const { last_seq: lastSeq } = await straight.sessions.get(id);
    events += lastSeq;
    const stored = straight.session(id);
    await until(() => stored.getSnapshot().isLoaded && stored.getSnapshot().lastSeq >= lastSeq);
    const truth = stored.getSnapshot().messages.map(({ role, content }) => ({ role, content }));
    judgeOnce(id, truth, tally);
    for (const person of [asker, watcher]) {
      await until(() => person.ledger.last >= lastSeq);
      person.judge();
      person.ledger.judge(lastSeq);
      const shown = person.shown.messages.map(({ role, content }) => ({ role, content }));
      if (JSON.stringify(shown) !== JSON.stringify(truth)) {
        tally.note('wrongText', `${person.who} shows another conversation than is stored`);
      }
    }
    stored.close();
  }
  return events;
}

/** A message that was sent again after a cut is one message, and has one answer. */
function judgeOnce(id: string, stored: { role: string; content: string }[], tally: Tally): void {
  const asked = stored.filter(({ role }) => role === 'user').map(({ content }) => content);
  if (new Set(asked).size !== asked.length) tally.note('doubled', `session ${id} has a message twice`);
  const expected = asked.map((_, index) => question(`${id} ${index + 1}`));
  if (JSON.stringify(asked) !== JSON.stringify(expected)) {
    tally.note('reordered', `session ${id} has messages in another order than they were sent`);
  }
}

function clientAt(url: string, token: string): Client {
  return createClient({ url, token, WebSocket: WebSocket as unknown as SocketConstructor });
}

function progress(proxy: LinkProxy, plan: DeliveryPlan): string {
  const { connections, cut, half_open, stall, slice } = proxy.counts;
  return `${proxy.cuts} of ${plan.cuts} cuts (${cut} told, ${half_open} in silence), ${stall} stalls, ${slice} slices, ${connections} connections`;
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + levelBoundMs;
  while (!isSo() && performance.now() < deadline) await delay(pollMs);
}

async function within(boundMs: number, work: Promise<unknown>, words: () => string): Promise<void> {
  const late = delay(boundMs, 'late' as const, { ref: false });
  if ((await Promise.race([work, late])) === 'late') throw new Error(`After ${boundMs} ms ${words()}.`);
}
