import { onStopSignal } from './dev/stop-reasons.ts';
import { type DevCopy, startDevCopy } from './tour/dev-copy.ts';
import { createNarrator, duration, type Narrator } from './tour/narrator.ts';
import { TourFailure, within } from './tour/tour-failure.ts';

/** A first start may build Temporal, which `turngate dev` itself bounds at 20 minutes. */
const startBoundMs = 25 * 60_000;
const tourBoundMs = 180_000;

/**
 * `turngate demo`: a tour on real parts, in a folder and with processes of its own, that ends by itself.
 * @param options.keep leaves it running after the tour, until SIGINT or SIGTERM
 * @throws TourFailure with one sentence; then too nothing is left, neither process nor file
 */
export async function runDemo(
  env: NodeJS.ProcessEnv,
  options: { keep?: boolean } = {},
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<void> {
  const narrator = createNarrator(write);
  const stopAsked = onStopSignal();
  const ending = new AbortController();
  void stopAsked.promise.then(() => ending.abort(new TourFailure('The tour was stopped before its end.')));
  const began = performance.now();
  narrator.plain(
    "Turngate's tour. Every part is real but the model, which is a small program; it ends by itself.",
  );
  const copy = startDevCopy(env, narrator.supervisor);
  void copy.ended.then((why) => ending.abort(new TourFailure(`The tour failed: ${why}`)));
  try {
    await visit(copy, narrator, ending.signal);
    narrator.plain('');
    narrator.plain(`The tour is done: everything held, in ${duration(performance.now() - began)}.`);
    if (options.keep === true) await keep(copy, narrator, stopAsked.promise);
    else {
      narrator.plain(
        'The link to the Temporal UI is valid only while it runs: `npm run demo -- --keep` leaves it.',
      );
    }
  } finally {
    await copy.remove();
    stopAsked.off();
  }
  narrator.plain('Everything is stopped and removed.');
}

async function visit(copy: DevCopy, narrator: Narrator, signal: AbortSignal): Promise<void> {
  const { tour } = await import('./tour/tour.ts');
  narrator.part('Starting `turngate dev` in a temporary folder');
  const began = performance.now();
  const info = await within(copy.ready, {
    ms: startBoundMs,
    signal,
    otherwise: '`turngate dev` was not ready',
  });
  const pids = Object.entries(info.processes).map(([role, pid]) => `${role} ${pid}`);
  narrator.told(`ready: ${pids.join(', ')}`, performance.now() - began);
  await within((bound) => tour(copy, narrator, bound), {
    ms: tourBoundMs,
    signal,
    otherwise: 'it took too long',
  });
}

async function keep(copy: DevCopy, narrator: Narrator, stopAsked: Promise<void>): Promise<void> {
  const { http, temporal_ui: ui, data } = copy.info();
  narrator.plain(`It goes on until Ctrl-C: gateway ${http}, Temporal UI ${ui}, data ${data}`);
  narrator.plain(`The token and the rest are in ${data}/dev.json.`);
  await Promise.race([stopAsked, copy.ended]);
}
