import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { errorCode, errorText } from '../../protocol/error-text.ts';
import { StartFailure } from '../dev/start-failure.ts';

/** Where a gateway is, and the token to show there. */
export interface Target {
  http: string;
  ws: string;
  token: string;
}

/** An empty name counts as none. */
const standardFolder = '.turngate';
const devFile = z.object({ http: z.url(), ws: z.url(), token: z.string().min(1) });

/** Reads anew at each call: `npm start` may have come back at another port. */
export type FindTarget = () => Target;

/**
 * @param options `url` and `token` of any gateway, or the folder of `turngate dev`
 * @throws StartFailure for a broken `url`; the function it returns, where nothing runs in the folder
 */
export function targetFinder(options: {
  data: string;
  url?: string | undefined;
  token?: string | undefined;
}): FindTarget {
  const { data, url, token } = options;
  if (url === undefined) {
    return () => ({ ...readDevFile(data), ...(token === undefined ? {} : { token }) });
  }
  const http = baseUrl(url);
  const ws = http.replace(/^http/, 'ws');
  if (token !== undefined) return () => ({ http, ws, token });
  throw new StartFailure(
    '--url needs --token: the gateway there asks who you are. `turngate token` makes one.',
  );
}

/** Any of http, https, ws and wss names the same gateway. */
function baseUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !/^(http|ws)s?:$/.test(parsed.protocol)) {
    throw new StartFailure(`--url got "${url}"; write the gateway's address, such as http://127.0.0.1:8080.`);
  }
  return `${parsed.protocol.replace('ws', 'http')}//${parsed.host}`;
}

function readDevFile(data: string): Target {
  const file = join(resolve(data || standardFolder), 'dev.json');
  const hint = 'Run `npm start` in another terminal, or name its folder with --data.';
  try {
    return devFile.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new StartFailure(`No Turngate runs here (there is no ${file}). ${hint}`);
    }
    throw new StartFailure(`${file} cannot be read (${errorText(error).split('\n')[0]}). ${hint}`);
  }
}
