import { Command } from 'commander';
import { type DeliveryPlan, runDelivery } from './delivery.ts';
import type { ToolsPlan } from './tools/plan.ts';
import { reportLines } from './tools/report.ts';
import { runTools } from './tools/run.ts';

const number = (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0) throw new Error(`"${text}" is no whole number above 0.`);
  return value;
};
/** Two hundred devices of one person on one machine. */
const settings = {
  CONNECTIONS_PER_USER: '0',
  CONNECTIONS_PER_ADDRESS: '0',
  HTTP_REQUESTS_PER_SECOND: '10000',
};

const share = (text: string) => {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new Error(`"${text}" is no number from 0 to 1.`);
  return value;
};
const anySeed = Math.floor(Date.now() % 1e6) + 1;
/** Of a whole run; every wait in it has a bound of its own. */
const toolsBoundMs = 40 * 60_000;

const program = new Command('faults').description('break things on purpose, and count what that does');
program
  .command('delivery')
  .description('clients chat over connections that are cut, stalled, half-opened and sliced')
  .option('--seed <n>', 'the same seed breaks connections in the same way', number, anySeed)
  .option('--clients <n>', 'devices, two in each session', number, 200)
  .option('--cuts <n>', 'connections that a fault ends, before it stops', number, 1_000)
  .option('--mean-good-ms <n>', 'how long a connection is well between two faults', number, 6_000)
  .action(async (options: Omit<DeliveryPlan, 'settings'>) => {
    console.log(`seed ${options.seed}, ${options.clients} clients, ${options.cuts} cuts`);
    const report = await runDelivery({ ...options, settings }, (line) => console.log(line));
    const { tally, counts, turns, events, seconds } = report;
    for (const words of tally.words) console.log(words);
    console.log(
      `${seconds} s, ${turns} turns, ${events} events stored, ${counts.cut + counts.half_open} cuts, ${counts.stall} stalls, ${counts.slice} slices`,
    );
    console.log(
      `lost ${tally.lost}, doubled ${tally.doubled}, reordered ${tally.reordered}, texts that differ ${tally.wrongText}`,
    );
    process.exitCode = tally.isClean ? 0 : 1;
  });

program
  .command('tools')
  .description('worker, gateways and Temporal are killed around tool calls and their decisions')
  .option('--seed <n>', 'the same seed asks, decides and kills in the same way', number, anySeed)
  .option('--calls <n>', 'tool calls that the model asks for', number, 500)
  .option('--sessions <n>', 'conversations that go on at the same time', number, 30)
  .option('--aimed-share <part>', 'how many of the calls have a kill aimed at them', share, 0.15)
  .option('--mean-kill-ms <n>', 'between two kills at random', number, 6_000)
  .action(async (options: ToolsPlan) => {
    console.log(`seed ${options.seed}, ${options.calls} calls in ${options.sessions} sessions`);
    const say = (line: string) => console.log(line);
    const report = await runTools({ ...options, gateways: 2, boundMs: toolsBoundMs }, say);
    for (const line of reportLines(report)) console.log(line);
    process.exitCode = report.findings.isClean ? 0 : 1;
  });

await program.parseAsync();
process.exit();
