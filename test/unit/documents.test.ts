import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { devOptions } from '../../src/cli/dev/settings.ts';
import { environment } from '../../src/config/config.ts';
import { closeCodes } from '../../src/protocol/close-codes.ts';
import { errorCode } from '../../src/protocol/errors.ts';
import { eventBodies } from '../../src/protocol/server-frames.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string) => readFileSync(join(repository, file), 'utf8');
const inDocs = readdirSync(join(repository, 'docs'), { encoding: 'utf8', recursive: true });
const documents = ['README.md', 'CONTRIBUTING.md', ...inDocs.map((name) => join('docs', name))];

/** Targets of a document's links to files of the repository. */
function linksOf(document: string): string[] {
  const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)];
  return links.map(([, target = '']) => join(dirname(document), target));
}

describe('the documents', () => {
  test.each([
    'first-tool/main.ts',
    'first-tool/mcp.json',
    'first-tool/agents/default.yaml',
    'login/server.ts',
  ])('README shows examples/%s as it is', (file) => {
    expect(read('README.md')).toContain(read(join('examples', file)).trim());
  });

  test('docs/operations.md names every setting', () => {
    const names = [...Object.keys(environment.shape), ...devOptions.map(([, , variable]) => variable)];
    const text = read('docs/operations.md');
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test('docs/protocol.md names every event, error and close code', () => {
    const codes = Object.values(closeCodes).map(({ code }) => `| ${code} |`);
    const names = [...Object.keys(eventBodies), ...errorCode.options].map((name) => `| \`${name}\` |`);
    const text = read('docs/protocol.md');
    expect([...codes, ...names].filter((cell) => !text.includes(cell))).toEqual([]);
  });

  test('every error code has its page, and no other word has', () => {
    const pages = readdirSync(join(repository, 'docs', 'errors'));
    expect(pages.toSorted()).toEqual(errorCode.options.map((code) => `${code}.md`).toSorted());
  });

  test('the examples are as short as README says', () => {
    const linesOf = (file: string) => read(file).trim().split('\n').length;
    expect(linesOf('examples/first-tool/main.ts')).toBeLessThanOrEqual(20);
    expect(linesOf('examples/login/server.ts')).toBeLessThanOrEqual(40);
  });

  test.each(documents.filter((name) => name.endsWith('.md')))('every link of %s leads somewhere', (name) => {
    expect(linksOf(name).filter((target) => !existsSync(join(repository, target)))).toEqual([]);
  });
});
