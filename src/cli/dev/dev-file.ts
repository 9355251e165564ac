import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileWhole } from './data-folder.ts';

/** What `.turngate/dev.json` says to programs while `turngate dev` runs. */
export interface DevInfo {
  /** Base URLs of the gateway. */
  http: string;
  ws: string;
  /** A JWT to try with, valid for 30 days. */
  token: string;
  /** host:port */
  temporal_address: string;
  /** Base URL; absent where Temporal is somebody else's and TEMPORAL_UI is not set. */
  temporal_ui?: string;
  data: string;
  postgres_data: string;
  /** Connection string with its password. */
  database_url: string;
  /** `demo`, or the name of the model. */
  model: string;
  /** Role → pid of the parts that run now. */
  processes: Record<string, number>;
  /** pid of `turngate dev` itself. */
  supervisor: number;
}

const fileOf = (folder: string) => join(folder, 'dev.json');

export function writeDevFile(folder: string, info: DevInfo): void {
  writeFileWhole(fileOf(folder), `${JSON.stringify(info, null, 2)}\n`);
}

export function removeDevFile(folder: string): void {
  rmSync(fileOf(folder), { force: true });
}
