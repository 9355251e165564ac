import { type Command, Option } from 'commander';

/** `turngate policy …`. */
export function addPolicy(program: Command): void {
  const policy = program.command('policy').description('the rules for tool calls');
  policy
    .command('check')
    .description('say whether a policy file is in order, and with --tool which rule decides a call and why')
    .argument('[file]', 'the file; otherwise TURNGATE_POLICY')
    .option('--tool <server.tool>', 'explain the call of this tool')
    .option('--arguments <json>', 'its arguments: JSON, @file or - for standard input')
    .option('--user <id>', 'whose message leads to the call', 'somebody')
    .addOption(
      new Option('--role <role>', 'theirs in the session')
        .choices(['owner', 'member', 'approver', 'viewer', 'none'])
        .default('owner'),
    )
    .option('--agent <name>', 'the agent that calls it', 'default')
    .option('--tenant <id>', 'whose session it is called in', 'dev')
    .option('--read-only', 'as if its server said that it only reads; the server is not asked')
    .option('--idempotent', 'as if its server said that it is idempotent; the server is not asked')
    .option('--no-destructive', 'as if its server said that it destroys nothing; the server is not asked')
    .option('--trusted', 'as if its server were one of trusted_servers')
    .option('--offline', 'as if its server said nothing of it; the server is not asked')
    .action(async (file, { destructive, ...options }) =>
      (await import('./check.ts')).runCheck(
        file,
        { ...options, ...(destructive === false ? { destructive } : {}) },
        process.env,
      ),
    );
  policy
    .command('show')
    .description('list the revisions of the policy that workers have seen, or print one')
    .argument('[revision]', 'how it begins')
    .action(async (revision) => (await import('./show.ts')).runShow(revision, process.env));
}
