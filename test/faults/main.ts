import { Command } from 'commander';
import { type DeliveryPlan, runDelivery } from './delivery.ts';

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

const program = new Command('faults').description('break things on purpose, and count what that does');
program
  .command('delivery')
  .description('clients chat over connections that are cut, stalled, half-opened and sliced')
  .option(
    '--seed <n>',
    'the same seed breaks connections in the same way',
    number,
    Math.floor(Date.now() % 1e6) + 1,
  )
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

await program.parseAsync();
process.exit();
