import { takeRunning } from './running.ts';
import { removeFolder } from './services.ts';

/** Stops what globalSetup started, whatever the tests said. */
export default async function globalTeardown(): Promise<void> {
  const running = takeRunning();
  if (running === undefined) return;
  await Promise.all(running.services.map((service) => service.stop()));
  running.keeper.stdin?.end('done\n');
  removeFolder(running.folder);
}
