import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { z } from 'zod';
import { declare, jsonType } from './schema-types.ts';

const repository = fileURLToPath(new URL('../', import.meta.url));
const source = join(repository, 'src', 'client');

/**
 * Writes the package `turngate`, which is the client and depends on nothing: one module, and its declarations where
 * TypeScript is installed. Needs no network.
 * @param folder is made anew
 */
export async function buildClientPackage(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'client'), { recursive: true });
  await build({
    entryPoints: [join(source, 'index.ts')],
    outfile: join(folder, 'client', 'index.js'),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    logLevel: 'warning',
  });
  const { version, license } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const about = {
    name: 'turngate',
    version,
    description: 'The client of Turngate, for browsers and Node.',
    license,
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20' },
    exports: { './client': { types: './client/index.d.ts', default: './client/index.js' } },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
  cpSync(join(repository, 'docs', 'client.md'), join(folder, 'README.md'));
  const compiler = findCompiler();
  if (compiler) await writeDeclarations(folder, compiler);
  else
    console.log(
      'The client has no declarations: TypeScript is not installed (npm install without --omit=dev).',
    );
}

function findCompiler(): string | null {
  try {
    return createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace(/package\.json$/, 'bin/tsc');
  } catch {
    // A server's installation, which needs none.
    return null;
  }
}

/** The compiler's declarations of the client; those of the wire are made from its schemas, so that nobody needs zod. */
async function writeDeclarations(folder: string, compiler: string): Promise<void> {
  const scratch = mkdtempSync(join(folder, 'types-'));
  const options = [
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--rootDir',
    'src',
    '--outDir',
    scratch,
  ];
  const project = join(scratch, 'tsconfig.json');
  const compilerOptions = { typeRoots: [join(repository, 'node_modules', '@types')] };
  const extended = { extends: join(repository, 'tsconfig.json'), include: [join(source, '*.ts')] };
  writeFileSync(project, JSON.stringify({ ...extended, compilerOptions }));
  const run = spawnSync(process.execPath, [compiler, '-p', project, ...options], {
    cwd: repository,
    encoding: 'utf8',
  });
  if (run.status !== 0)
    throw new Error(`The client's declarations could not be made:\n${run.stdout}${run.stderr}`);
  const declarations = readdirSync(join(scratch, 'client'));
  const texts = declarations.map((name) => readFileSync(join(scratch, 'client', name), 'utf8'));
  for (const [index, name] of declarations.entries()) {
    const text = (texts[index] ?? '').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'");
    writeFileSync(join(folder, 'client', name), text);
  }
  await writeProtocol(join(folder, 'protocol'), texts.join('\n'));
  rmSync(scratch, { recursive: true });
}

/** Each type of the protocol that the client names, from the schema of the same name. */
async function writeProtocol(folder: string, texts: string): Promise<void> {
  mkdirSync(folder);
  const wanted = new Map<string, Set<string>>();
  for (const [, names = '', file = ''] of texts.matchAll(
    /type \{([^}]*)\} from '\.\.\/protocol\/([a-z-]+)\.ts'/g,
  )) {
    const known = wanted.get(file) ?? new Set();
    for (const name of names.split(',')) known.add(name.trim());
    wanted.set(file, known);
  }
  for (const [file, names] of wanted) {
    const module: Record<string, unknown> = await import(join(repository, 'src', 'protocol', `${file}.ts`));
    const types = [...names]
      .filter((name) => name !== '')
      .map((name) => {
        const schema = module[`${name[0]?.toLowerCase()}${name.slice(1)}`];
        if (!(schema instanceof z.ZodType))
          throw new Error(`src/protocol/${file}.ts has no schema for the type ${name}.`);
        return declare(name, schema);
      });
    writeFileSync(join(folder, `${file}.d.ts`), `${jsonType}${types.join('')}`);
  }
}
