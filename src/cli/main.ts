import { Command, Option } from 'commander';
import { devOptions } from './dev/settings.ts';
import { StartFailure } from './dev/start-failure.ts';
import { addApprovals, addGrants, addInputs, addWebhooks } from './inbox/commands.ts';
import { CommandFailure } from './inbox/failure.ts';
import { addPolicy } from './policy/commands.ts';

// Each command is imported only when it is run: `turngate token` need not load Temporal.
const program = new Command('turngate')
  .description('A backend for AI agents: every turn a durable Temporal run, every tool call behind a gate.')
  .showHelpAfterError();

const dev = program
  .command('dev')
  .description('start everything on this machine: Temporal, Postgres, a worker, a gateway, a demo model')
  .action(async (options: Record<string, unknown>) =>
    (await import('./dev.ts')).runDev(options, process.env),
  );
for (const [, flags, variable, standard, description] of devOptions) {
  dev.addOption(new Option(flags, description).env(variable).default(standard));
}

program
  .command('chat')
  .description('talk to the agent of a running Turngate, in the terminal')
  .option('--session <id>', 'the session to go on with; otherwise your newest')
  .option('--new', 'begin a new session')
  .option('--agent <name>', 'begin a new session with this agent')
  .option('--url <address>', 'a gateway elsewhere, such as http://127.0.0.1:8080')
  .option('--token <jwt>', 'whom you are; otherwise the token of `turngate dev`')
  .addOption(
    new Option('--data <folder>', 'folder of `turngate dev`').env('TURNGATE_DATA').default('.turngate'),
  )
  .action(async (options) => (await import('./chat.ts')).runChat(options, process.env));

addPolicy(program);
addApprovals(program);
addGrants(program);
addInputs(program);
addWebhooks(program);

program
  .command('gateway')
  .description('run a gateway: connections, HTTP API, delivery')
  .action(async () => (await import('./gateway.ts')).runGateway(process.env));

program
  .command('worker')
  .description('run a worker: workflows, activities, reconciler')
  .action(async () => (await import('./worker.ts')).runWorker(process.env));

program
  .command('demo')
  .description('a tour that drives itself, on real parts in a temporary folder')
  .option('--keep', 'leave it running after the tour, until Ctrl-C')
  .action(async (options: { keep?: boolean }) => (await import('./demo.ts')).runDemo(process.env, options));

program
  .command('demo-model')
  .description('run the demo model, an OpenAI-compatible server that needs no key')
  .action(async () => (await import('./demo-model.ts')).runDemoModel(process.env));

program
  .command('migrate')
  .description('bring the store at DATABASE_URL up to date')
  .action(async () => (await import('./migrate.ts')).runMigrate(process.env));

program
  .command('token')
  .description('print a token that the gateway of a data folder accepts')
  .requiredOption('--user <id>', 'whom it stands for')
  .option('--tenant <id>', 'tenant of that user', 'dev')
  .option('--ttl <duration>', 'how long it is valid, such as 12h or 30d', '12h')
  .option('--name <name>', 'name of the user')
  .option('--email <address>', 'mail address of the user')
  .option('--role <role...>', 'roles of the user')
  .addOption(
    new Option('--data <folder>', 'folder of `turngate dev`').env('TURNGATE_DATA').default('.turngate'),
  )
  .action(async (options) => (await import('./token.ts')).runToken(options, process.env));

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  // A sentence for what a person can set right; the stack only for what is our own fault.
  console.error(error instanceof StartFailure ? error.message : error);
  process.exit(error instanceof CommandFailure ? error.exitCode : 1);
}
