import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { fromSetup } from './database.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** A gateway in a process of its own, with nothing in its environment but what it needs. */
export interface GatewayProcess {
  http: string;
  ws: string;
  pid: number;
  /** `SIGKILL`: dies at once and says nothing to anybody. Settles when it is gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** @param settings that differ from their defaults */
export async function spawnGateway(
  databaseUrl: string,
  secret: string,
  settings: Record<string, string> = {},
): Promise<GatewayProcess> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'gateway'],
    {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: databaseUrl,
        TEMPORAL_ADDRESS: fromSetup('TURNGATE_TEST_TEMPORAL'),
        GATEWAY_PORT: '0',
        JWT_SECRET: secret,
        LOG_LEVEL: 'warn',
        DRAIN_NOTICE_MS: '0',
        ...settings,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  const [ready] = await once(child, 'message');
  return {
    ...ready,
    pid: child.pid ?? 0,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}
