import { z } from 'zod';
import { StartFailure } from './start-failure.ts';

const portNumber = z.coerce.number().int().min(0).max(65_535);

/** What `turngate dev` can be told, by option or environment. */
export const devOptions = [
  ['data', '--data <folder>', 'TURNGATE_DATA', '.turngate', 'folder that holds everything of this copy'],
  ['gatewayPort', '--gateway-port <port>', 'GATEWAY_PORT', '8080', 'port of the gateway; 0 takes a free one'],
  ['temporalPort', '--temporal-port <port>', 'TURNGATE_TEMPORAL_PORT', '7233', "port of Temporal's frontend"],
  [
    'temporalUiPort',
    '--temporal-ui-port <port>',
    'TURNGATE_TEMPORAL_UI_PORT',
    '8233',
    "port of Temporal's UI",
  ],
  ['postgresPort', '--postgres-port <port>', 'TURNGATE_POSTGRES_PORT', '0', 'port of Postgres'],
  ['modelPort', '--model-port <port>', 'DEMO_MODEL_PORT', '0', 'port of the demo model'],
  [
    'postgresData',
    '--postgres-data <folder>',
    'TURNGATE_POSTGRES_DATA',
    undefined,
    "folder of Postgres's own data",
  ],
] as const;

const schema = z.object({
  data: z.string().min(1),
  gatewayPort: portNumber,
  temporalPort: portNumber,
  temporalUiPort: portNumber,
  postgresPort: portNumber,
  modelPort: portNumber,
  postgresData: z.string().min(1).optional(),
});
export type DevSettings = z.infer<typeof schema>;

/** @throws StartFailure that names the first option that is wrong */
export function readDevSettings(options: Record<string, unknown>): DevSettings {
  // An empty value counts as not set, as everywhere in the configuration.
  const standards = devOptions
    .filter(([key]) => options[key] === '')
    .map(([key, , , standard]) => [key, standard]);
  const parsed = schema.safeParse({ ...options, ...Object.fromEntries(standards) });
  if (parsed.success) return parsed.data;
  const name = String(parsed.error.issues[0]?.path[0]);
  const flag = devOptions.find(([key]) => key === name)?.[1] ?? name;
  const rule = name.endsWith('Port') ? 'a port is a whole number from 0 to 65535' : 'it must not be empty';
  throw new StartFailure(`${flag} got "${String(options[name])}", but ${rule}.`);
}
