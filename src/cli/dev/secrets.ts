import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartFailure } from './start-failure.ts';

const secretBytes = 32;
const minSecretChars = 32;

export function jwtSecretFile(dataFolder: string): string {
  return join(dataFolder, 'jwt-secret');
}

export function postgresPasswordFile(dataFolder: string): string {
  return join(dataFolder, 'postgres-password');
}

/**
 * @returns undefined where there is no such file
 * @throws StartFailure where it holds too little to be a secret
 */
export function readSecret(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const secret = readFileSync(file, 'utf8').trim();
  if (secret.length >= minSecretChars) return secret;
  throw new StartFailure(
    `The secret in ${file} is broken (${secret.length} characters, at least ${minSecretChars} are needed); remove that file and start again.`,
  );
}

/** Reads the secret, or makes one that only this user can read. */
export function ensureSecret(file: string): string {
  const found = readSecret(file);
  if (found !== undefined) return found;
  const secret = randomBytes(secretBytes).toString('base64url');
  writeWhole(file, `${secret}\n`);
  return secret;
}

/** Writes a new file of mode 0600 so that it is there whole or not at all. */
function writeWhole(file: string, text: string): void {
  const half = `${file}.${process.pid}`;
  writeFileSync(half, text, { mode: 0o600 });
  linkSync(half, file);
  rmSync(half);
}
