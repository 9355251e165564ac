import { Argument, type Command, Option } from 'commander';
import type { InboxDeps } from './deps.ts';

/** The options by which a command finds the gateway. */
export interface GatewayOptions {
  data: string;
  url?: string;
  token?: string;
}

async function depsOf(options: GatewayOptions): Promise<InboxDeps> {
  const [{ targetFinder }, { createAsk }, { systemConsole }] = await Promise.all([
    import('../chat/target.ts'),
    import('./ask.ts'),
    import('./terminal.ts'),
  ]);
  return { ask: createAsk(targetFinder(options)), console: systemConsole(), env: process.env };
}

function asking(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--json', 'print JSON, for programs')
    .option('--url <address>', 'a gateway elsewhere, such as http://127.0.0.1:8080')
    .option('--token <jwt>', 'whom you are; otherwise the token of `turngate dev`')
    .addOption(
      new Option('--data <folder>', 'folder of `turngate dev`').env('TURNGATE_DATA').default('.turngate'),
    );
}

function paged(command: Command, statuses: string[], standard?: string): Command {
  const status = new Option('--status <status>', 'which ones').choices(statuses);
  return command
    .addOption(standard === undefined ? status : status.default(standard))
    .option('--limit <count>', 'at most so many', '50')
    .option('--before <id>', 'older ones than this');
}

const remember = new Option('--remember <scope>', 'whether the same tool is asked about again').choices([
  'once',
  'session',
  'always',
]);

function deciding(command: Command): Command {
  return command
    .option('--reason <words>', 'why; the model reads it where the call is rejected')
    .option('--hash <arguments_hash>', 'of what was shown to you; anything else is refused')
    .option('--round <number>', 'of what was shown to you')
    .option('--yes', 'do not ask again');
}

const callId = new Argument('<tool_call_id>');

export function addApprovals(program: Command): void {
  const approvals = program.command('approvals').description('what waits for a person, and deciding it');
  paged(asking(approvals, 'list', 'what waits for your approval'), ['pending', 'resolved'], 'pending').action(
    async (options) => (await import('./approvals.ts')).listApprovals(await depsOf(options), options),
  );
  asking(approvals, 'show', 'all of one: arguments, rule, approvers, history')
    .addArgument(callId)
    .action(async (id, options) =>
      (await import('./approvals.ts')).showApproval(await depsOf(options), id, options),
    );
  deciding(asking(approvals, 'approve', 'let it run'))
    .addArgument(callId)
    .addOption(remember)
    .action(async (id, options) =>
      (await import('./approvals.ts')).decideApproval(await depsOf(options), id, {
        ...options,
        approved: true,
      }),
    );
  deciding(asking(approvals, 'edit', 'let it run with other arguments; opens your editor'))
    .addArgument(callId)
    .addOption(remember)
    .option('--arguments <json>', 'these instead, as JSON, @file or - for standard input')
    .action(async (id, options) =>
      (await import('./approvals.ts')).editApproval(await depsOf(options), id, options),
    );
  deciding(asking(approvals, 'reject', 'do not let it run'))
    .addArgument(callId)
    .action(async (id, options) =>
      (await import('./approvals.ts')).decideApproval(await depsOf(options), id, {
        ...options,
        approved: false,
      }),
    );
}

export function addGrants(program: Command): void {
  const grants = program.command('grants').description('approvals that are remembered');
  asking(grants, 'list', 'those that you gave, and those for your calls')
    .option('--limit <count>', 'at most so many', '50')
    .option('--before <id>', 'older ones than this')
    .action(async (options) => (await import('./grants.ts')).listGrants(await depsOf(options), options));
  asking(grants, 'revoke', 'take one back: from the next call on people are asked again')
    .argument('<id>')
    .action(async (id, options) =>
      (await import('./grants.ts')).revokeGrant(await depsOf(options), id, options),
    );
}

export function addInputs(program: Command): void {
  const inputs = program
    .command('inputs')
    .description('questions that wait for a person, and answering them');
  paged(asking(inputs, 'list', 'what waits for your answer'), ['pending', 'resolved'], 'pending').action(
    async (options) => (await import('./inputs.ts')).listInputs(await depsOf(options), options),
  );
  asking(inputs, 'show', 'one question, and what an answer may say')
    .argument('<request_id>')
    .action(async (id, options) =>
      (await import('./inputs.ts')).showInput(await depsOf(options), id, options),
    );
  asking(inputs, 'answer', 'answer it')
    .argument('<request_id>')
    .option('--set <field=value...>', 'a field of the answer')
    .option('--content <json>', 'the whole answer, as JSON, @file or - for standard input')
    .addOption(new Option('--decline', 'say no').conflicts(['set', 'content']))
    .addOption(new Option('--cancel', 'give no answer').conflicts(['set', 'content', 'decline']))
    .action(async (id, options) =>
      (await import('./inputs.ts')).answerInput(await depsOf(options), id, options),
    );
}

export function addWebhooks(program: Command): void {
  const webhooks = program
    .command('webhooks')
    .description('what became of webhooks; needs a token with the role "service"');
  asking(webhooks, 'list', 'endpoints, and how many deliveries wait or are dead').action(async (options) =>
    (await import('./webhooks.ts')).listEndpoints(await depsOf(options), options),
  );
  paged(asking(webhooks, 'deliveries', 'deliveries, newest first'), ['pending', 'delivered', 'dead']).action(
    async (options) => (await import('./webhooks.ts')).listDeliveries(await depsOf(options), options),
  );
  asking(webhooks, 'enable', 'let an endpoint that answered 410 get webhooks again')
    .argument('<name>')
    .action(async (name, options) =>
      (await import('./webhooks.ts')).enableEndpoint(await depsOf(options), name, options),
    );
  asking(webhooks, 'resend', 'send one again, under the id that it has')
    .argument('<id>')
    .action(async (id, options) =>
      (await import('./webhooks.ts')).resendDelivery(await depsOf(options), id, options),
    );
  webhooks
    .command('check')
    .description('whether a file of webhooks can be used, with the secrets in the environment')
    .argument('[file]', 'otherwise TURNGATE_WEBHOOKS')
    .action(async (file) => (await import('./webhooks-check.ts')).checkWebhooks(file, process.env));
  webhooks
    .command('secret')
    .description('print a new secret')
    .action(async () => console.log((await import('./webhooks.ts')).newSecret()));
}
