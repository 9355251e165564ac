import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { machineFacts } from './machine.ts';
import { saveResult, table } from './report.ts';
import type { Row } from './rows.ts';
import { type PartName, partNames, runParts, scales } from './run.ts';
import { SystemStarter } from './system.ts';
import { within } from './within.ts';

const resultsFolder = fileURLToPath(new URL('./results/', import.meta.url));
/** Getting Temporal may take minutes, once; what follows may not. */
const startBoundMs = 20 * 60_000;
const runBoundMs = 7 * 60_000;
/** What has to be met for exit code 0; the distance from the other aims is only told. */
const required = /^[cd]\./;

interface Options {
  quick: boolean;
  only: PartName[];
  results: string;
}

const command = new Command('bench')
  .description('measure Turngate beside bare Temporal, on this machine')
  .option('--quick', 'few samples: shows that the bench works, measures nothing', false)
  .addOption(new Option('--only <part...>', 'only these parts').choices(partNames).default([...partNames]))
  .option('--results <folder>', 'where the result goes as JSON', resultsFolder)
  .parse();

process.exit(await main(command.opts<Options>()));

async function main(options: Options): Promise<number> {
  const starter = new SystemStarter();
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort(new Error(`The bench was stopped (${signal}).`)));
  }
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
  });
  const working = measure(starter, options, stop.signal);
  try {
    const rows = await Promise.race([working, stopped]);
    return rows.every((row) => row.met !== false || !required.test(row.id)) ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    // What still runs fails as its processes end; the reason was told.
    working.catch(() => undefined);
    await starter.stop();
  }
}

async function measure(starter: SystemStarter, options: Options, signal: AbortSignal): Promise<Row[]> {
  const began = performance.now();
  console.log('Starting turngate dev, a model at full speed and a bare worker ...');
  const system = await within(startBoundMs, 'start', starter.start(console.log, signal));
  const machine = await machineFacts(system);
  const scale = scales[options.quick ? 'quick' : 'full'];
  const running = runParts(system, scale, options.only, console.log);
  const { rows, details } = await within(runBoundMs, 'run', running);
  const seconds = Math.round((performance.now() - began) / 1_000);
  const at = new Date().toISOString();
  const name = saveResult(options.results, { at, quick: options.quick, seconds, machine, rows, details });
  console.log(`\n${table(rows)}\n`);
  console.log(`${seconds} s; ${relative('.', options.results) || '.'}/${name} has the figures in full.`);
  return rows;
}
