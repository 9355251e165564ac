import { once } from 'node:events';
import type { Server } from 'node:http';
import { errorCode } from '../protocol/error-text.ts';
import { createModelServer } from './demo/model-server.ts';
import { StartFailure } from './dev/start-failure.ts';
import { announceReady } from './ready.ts';

// @copilotkit/aimock was tried for this: it streams at a human pace and its answers may depend on the tools. But
// it lets any web page read the last 1,000 requests and set its answers (`/__aimock/*`, with CORS for all), which
// for a model that may call tools on somebody's machine will not do; and it does not refuse a tool call without
// its result. So this one is small and ours.
const loopback = '127.0.0.1';
/** Pieces come at about 45 a second. */
const standardPaceMs = 17;

/**
 * Runs the demo model, an OpenAI-compatible server on loopback, until SIGTERM or SIGINT.
 * @param env `DEMO_MODEL_PORT` (default 0: any free one) and `DEMO_MODEL_PACE_MS` (milliseconds between two
 *   pieces, default 17; 0 is full speed)
 * @throws StartFailure when a setting is wrong or the port is taken
 */
export async function runDemoModel(env: NodeJS.ProcessEnv): Promise<void> {
  const port = readNumber(env, 'DEMO_MODEL_PORT', 0, 65_535);
  const server = createModelServer(readNumber(env, 'DEMO_MODEL_PACE_MS', standardPaceMs, 60_000));
  const url = `http://${loopback}:${await listen(server, port)}/v1`;
  announceReady({ url });
  console.log(JSON.stringify({ level: 'info', msg: 'demo model is ready', url }));
  await new Promise<void>((stop) => {
    process.once('SIGTERM', () => stop());
    process.once('SIGINT', () => stop());
  });
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, loopback);
    await once(server, 'listening');
  } catch (error) {
    const taken = errorCode(error) === 'EADDRINUSE';
    const why = taken ? 'the port is taken; set DEMO_MODEL_PORT to a free one, or to 0' : String(error);
    throw new StartFailure(`The demo model cannot listen on ${loopback}:${port}: ${why}.`, { cause: error });
  }
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : port;
}

function readNumber(env: NodeJS.ProcessEnv, name: string, standard: number, most: number): number {
  const value = env[name] ? Number(env[name]) : standard;
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new StartFailure(
    `${name} must be a whole number from 0 to ${most} (default ${standard}), not "${env[name]}".`,
  );
}
