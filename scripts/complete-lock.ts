import { readFileSync, writeFileSync } from 'node:fs';

/*
 * Completes package-lock.json after `npm install`. A registry that does not carry the binaries of some platform answers
 * 404 for them; npm then leaves these optional packages out of the lock file, and `npm ci` refuses the file as out of
 * step. They are added here by the version that their parents name, with the platform that their name tells, so that
 * `npm ci` skips them everywhere else and fetches them there. Addresses of registries never stay in the file.
 */
interface Entry {
  version?: string;
  resolved?: string;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  optionalDependencies?: Record<string, string>;
}

const platform =
  /(?<os>darwin|linux|win32|windows|android|freebsd|openharmony)[-_](?<cpu>x64|arm64|arm|ia32|ppc64|s390x|riscv64|loong64|wasm32)/;
const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Entry> };
const { packages } = lock;
let added = 0;

for (const [parent, entry] of Object.entries(packages)) {
  if (/^https?:/.test(entry.resolved ?? '')) delete entry.resolved;
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isFound(parent, name)) continue;
    const named = platform.exec(name)?.groups;
    if (!named?.os || !named.cpu) {
      console.warn(
        `${name}, an optional package of ${parent}, is not in the lock file and names no platform.`,
      );
      continue;
    }
    packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ''),
      optional: true,
      os: [named.os === 'windows' ? 'win32' : named.os],
      cpu: [named.cpu],
    };
    added += 1;
  }
}

/** Whether `name` resolves from the folder of `parent`, as Node would look it up. */
function isFound(parent: string, name: string): boolean {
  for (let folder = parent; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true;
    if (!folder.includes('/node_modules/')) return packages[`node_modules/${name}`] !== undefined;
  }
}

writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} optional packages of other platforms added.`);
