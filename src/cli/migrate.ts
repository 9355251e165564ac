import { migrate } from '../store/migrate.ts';
import { StartFailure } from './dev/start-failure.ts';

/**
 * `turngate migrate`: brings the store at DATABASE_URL up to date.
 * @throws StartFailure where DATABASE_URL is not set
 */
export async function runMigrate(
  env: NodeJS.ProcessEnv,
  print: (line: string) => void = console.log,
): Promise<void> {
  const url = env.DATABASE_URL;
  if (!url) {
    throw new StartFailure(
      'DATABASE_URL is not set; set it to the Postgres that Turngate stores its data in.',
    );
  }
  let applied = 0;
  await migrate(url, (line) => {
    applied += 1;
    print(line);
  });
  print(applied === 0 ? 'The store is up to date.' : `The store is up to date: ${applied} applied.`);
}
