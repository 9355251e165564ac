import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildClientPackage } from '../../scripts/client-package.ts';
import { openFolder } from './services.ts';

const run = promisify(execFile);
const typescript = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const boundMs = 60_000;

/** An empty project in which the packed client is installed, without a network. */
export interface ClientProject {
  folder: string;
  /** Names of the files in the tarball. */
  packed: string[];
  /** Runs a module of the project in Node. Answers what it wrote; rejects where it fails. */
  node(name: string, text: string): Promise<string>;
  /** Checks a TypeScript module against the installed declarations, with nothing else there. Answers the complaints. */
  complaints(name: string, text: string): Promise<string>;
  /** Serves the project's files. */
  serve(page: string): Promise<{ url: string; close(): Promise<void> }>;
}

export async function openClientProject(): Promise<ClientProject> {
  const folder = openFolder('turngate-client-project-');
  const built = join(folder, 'built');
  await buildClientPackage(built);
  const npm = (args: string[], cwd: string) => run('npm', args, { cwd, timeout: boundMs });
  const { stdout } = await npm(['pack', '--json', '--pack-destination', folder], built);
  const [{ filename, files }] = JSON.parse(stdout);
  const project = join(folder, 'project');
  await run('mkdir', [project]);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  await npm(['install', '--offline', '--no-audit', '--no-fund', join(folder, filename)], project);
  return {
    folder,
    packed: files.map((file: { path: string }) => file.path),
    async node(name, text) {
      writeFileSync(join(project, name), text);
      return (await run(process.execPath, [name], { cwd: project, timeout: boundMs })).stdout;
    },
    async complaints(name, text) {
      writeFileSync(join(project, name), text);
      const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022'];
      const where = ['--module', 'nodenext', '--lib', 'es2022,dom', '--types', ''];
      const check = run(process.execPath, [typescript, ...options, ...where, name], { cwd: project });
      return check.then(() => '').catch((error: { stdout?: string }) => error.stdout ?? String(error));
    },
    serve: (page) => serveFolder(project, page),
  };
}

async function serveFolder(folder: string, page: string): Promise<{ url: string; close(): Promise<void> }> {
  const types: Record<string, string> = { '.js': 'text/javascript', '.html': 'text/html; charset=utf-8' };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://any').pathname;
    const name = path === '/' ? 'index.html' : path;
    try {
      const body = path === '/' ? page : readFileSync(join(folder, name));
      response.writeHead(200, { 'content-type': types[extname(name)] ?? 'text/plain' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
