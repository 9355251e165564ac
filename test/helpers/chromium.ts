import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const installBoundMs = 300_000;

/** Starts a real Chromium: `CHROMIUM_PATH`, the system's, or Debian's package, installed for it where that is allowed. */
export async function openChromium(): Promise<Browser> {
  const executablePath = findChromium() ?? installChromium();
  // As root, as in a container, Chromium runs only without its sandbox.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

function findChromium(): string | undefined {
  const { CHROMIUM_PATH } = process.env;
  return CHROMIUM_PATH || places.find((place) => existsSync(place));
}

function installChromium(): string {
  const steps = [['update'], ['install', '-y', '--no-install-recommends', 'chromium']];
  const said = steps.map((args) => {
    const run = spawnSync('apt-get', args, {
      encoding: 'utf8',
      timeout: installBoundMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    return `${run.error?.message ?? ''}${run.stderr ?? ''}`;
  });
  const found = findChromium();
  if (found !== undefined) return found;
  throw new Error(
    `There is no Chromium, and it could not be installed. Set CHROMIUM_PATH. ${said.join('').slice(-500)}`,
  );
}
