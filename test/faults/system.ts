import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild, stopChild, untilReady } from '../../src/cli/dev/child.ts';
import type { DevInfo } from '../../src/cli/dev/dev-file.ts';
import { jwtSecretFile } from '../../src/cli/dev/secrets.ts';
import { type DevRun, repository, startDev, stopDev } from '../helpers/dev.ts';
import { type ScriptedModel, startScriptedModel } from '../helpers/scripted-model.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { answerPieces } from './truth.ts';

const readyBoundMs = 30_000;
const stopBoundMs = 8_000;

/** The whole product as processes, with a second gateway, and a model that says what is known. */
export interface FaultSystem {
  info: DevInfo;
  /** host:port of each gateway */
  gateways: { host: string; port: number }[];
  stop(): Promise<void>;
}

export async function startFaultSystem(settings: Record<string, string>): Promise<FaultSystem> {
  const folder = openFolder('turngate-faults-');
  const parts: { dev?: DevRun; gateway?: Child; model?: ScriptedModel } = {};
  const stop = async () => {
    if (parts.gateway) await stopChild(parts.gateway, stopBoundMs);
    await stopDev(parts.dev);
    await parts.model?.close();
    removeFolder(folder);
  };
  try {
    parts.model = await startScriptedModel((call) => say(lastAsked(call.messages)));
    const env = { OPENAI_API_KEY: 'faults', OPENAI_BASE_URL: parts.model.url, ...settings };
    parts.dev = await startDev({ folder, env });
    const info = parts.dev.info();
    parts.gateway = await startChild({
      role: 'gateway-2',
      command: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', join(repository, 'src/cli/main.ts'), 'gateway'],
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        DATABASE_URL: info.database_url,
        TEMPORAL_ADDRESS: info.temporal_address,
        JWT_SECRET_FILE: jwtSecretFile(info.data),
        GATEWAY_PORT: '0',
        ...settings,
      },
      cwd: repository,
      logFile: join(folder, 'gateway-2.log'),
      ipc: true,
      stopSignals: ['SIGTERM'],
      hint: '',
    });
    const { readyMessage } = parts.gateway;
    const second = await untilReady(parts.gateway, () => readyMessage, readyBoundMs);
    const gateways = [info.http, String(second.http)].map((http) => {
      const { hostname, port } = new URL(http);
      return { host: hostname, port: Number(port) };
    });
    return { info, gateways, stop };
  } catch (error) {
    if (parts.gateway) console.error(readFileSync(join(folder, 'gateway-2.log'), 'utf8'));
    await stop();
    throw error;
  }
}

async function* say(asked: string): AsyncGenerator<string | { delayMs: number }> {
  for (const { text, pauseMs } of answerPieces(asked)) {
    if (pauseMs > 0) yield { delayMs: pauseMs };
    yield text;
  }
}

function lastAsked(messages: { role: string; content?: unknown }[]): string {
  return String(messages.findLast((message) => message.role === 'user')?.content);
}
