import { join } from 'node:path';
import { errorText } from '../../protocol/error-text.ts';
import { loopback, settlePort } from './ports.ts';
import { searchAttributeTypes } from './search-attributes.ts';
import type { Start } from './start-all.ts';
import { StartFailure } from './start-failure.ts';
import type { Part } from './supervisor.ts';
import { findTemporal } from './temporal-binary.ts';
import { registerSearchAttributes, temporalReady, temporalSpec, uiReady } from './temporal-server.ts';

export interface TemporalPart {
  /** Undefined where Temporal is somebody else's. */
  part: Part | undefined;
  /** host:port */
  address: string;
  ui: string | undefined;
}

/** Prepares Temporal: one that runs already where TEMPORAL_ADDRESS names it, else a development server of our own. */
export async function prepareTemporal({
  settings,
  folder,
  env,
  say,
  supervisor,
}: Start): Promise<TemporalPart> {
  if (env.TEMPORAL_ADDRESS) return adoptTemporal(env.TEMPORAL_ADDRESS, env.TEMPORAL_UI);
  const port = await settlePort(settings.temporalPort, 'Temporal', '--temporal-port');
  const uiPort = await settlePort(settings.temporalUiPort, "Temporal's UI", '--temporal-ui-port');
  const binary = await findTemporal(env, say, supervisor.signal);
  const address = `${loopback}:${port}`;
  const ui = `http://${loopback}:${uiPort}`;
  const part: Part = {
    role: 'temporal',
    spec: temporalSpec({
      binary,
      port,
      uiPort,
      dbFile: join(folder.temporal, 'temporal.db'),
      logFile: join(folder.logs, 'temporal.log'),
      searchAttributes: searchAttributeTypes,
    }),
    ready: async (_child, signal) => {
      await temporalReady(address, searchAttributeTypes, signal);
      await uiReady(ui, signal);
    },
  };
  return { part, address, ui };
}

async function adoptTemporal(address: string, ui: string | undefined): Promise<TemporalPart> {
  try {
    await registerSearchAttributes(address, searchAttributeTypes);
  } catch (error) {
    throw new StartFailure(
      `Temporal at TEMPORAL_ADDRESS ${address} cannot be used (${errorText(error)}); start it, or unset TEMPORAL_ADDRESS to have one started here.`,
    );
  }
  return { part: undefined, address, ui: ui || undefined };
}
