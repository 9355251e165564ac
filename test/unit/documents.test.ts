import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { devOptions } from '../../src/cli/dev/settings.ts';
import { environment } from '../../src/config/config.ts';
import { closeCodes } from '../../src/protocol/close-codes.ts';
import { errorCode } from '../../src/protocol/errors.ts';
import { eventBodies } from '../../src/protocol/server-frames.ts';
import { actions } from '../helpers/operator-actions.ts';
import { outcomes } from '../helpers/operator-outcomes.ts';
import { states } from '../helpers/operator-states.ts';
import { readOperatorTable, readOperatorWords } from '../helpers/operator-table.ts';

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
    'first-tool/policy.yaml',
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

const idPattern = /\[([a-z]+(?:-[a-z0-9_]+)+)\](?!\()/g;
const idsIn = (text: string) => [...text.matchAll(idPattern)].map(([, id = '']) => id);

const [told = '', notYet = ''] = read('docs/protocol.md').split('\n## Not there yet');
/** Requirements that still need a test on the wire. To be empty. */
const owed: string[] = [];
const required = idsIn(told.slice(told.indexOf('\n## ')));

/** Files of tests that talk to a gateway over the wire, and whose titles may name requirements. */
const files = ['integration', 'e2e'].flatMap((folder) => {
  const names = readdirSync(join(repository, 'test', folder)).filter((name) => name.endsWith('.test.ts'));
  return names.map((name) => read(join('test', folder, name)));
});
/** The titles: strings that a test's function follows. */
const titles = files.flatMap((text) =>
  [...text.matchAll(/(['"`])((?:(?!\1).)*)\1,\s*(?:async\b|\()/g)].map(([, , title = '']) => title),
);
const named = titles.flatMap(idsIn);

// How ids are given stands in CONTRIBUTING.md, "A frame or a setting".
describe('the requirements of docs/protocol.md', () => {
  test('every row of a table of docs/protocol.md has an id', () => {
    const lines = told.split('\n');
    const rows = lines.filter((line, at) => {
      const isHead = /^\| -/.test(lines[at + 1] ?? '') || /^\| -/.test(line);
      return line.startsWith('| ') && !isHead;
    });
    expect(rows.length).toBeGreaterThan(60);
    expect(rows.filter((row) => idsIn(row).length === 0)).toEqual([]);
  });

  test('no id stands for two requirements', () => {
    expect(required.filter((id, at) => required.indexOf(id) !== at)).toEqual([]);
  });

  test('every requirement that is there has a test that names it', () => {
    const later = new Set(idsIn(notYet));
    expect(required.filter((id) => !named.includes(id) && !later.has(id) && !owed.includes(id))).toEqual([]);
  });

  test('what is said to be not there yet has no test, and what is owed one has none', () => {
    expect(idsIn(notYet).filter((id) => named.includes(id))).toEqual([]);
    expect(owed.filter((id) => named.includes(id))).toEqual([]);
  });

  test('no test names a requirement that there is none of', () => {
    expect(named.filter((id) => !required.includes(id))).toEqual([]);
  });
});

// Titles of these tests are made of the table: `npm test -- -t '[terminate-gate]'` tries one cell.
describe('the table of docs/operations.md of what an operator does', () => {
  const cells = readOperatorTable();
  const distinct = (values: string[]) => [...new Set(values)].toSorted();

  test('every cell has its test: what is done, where the turn is, and what must follow are all known', () => {
    const unknown = cells.filter(
      ({ action, state, outcome }) => !(actions[action] && states[state] && outcomes[outcome]),
    );
    expect(unknown).toEqual([]);
    const calls = files.flatMap((text) => [...text.matchAll(/^testCellsOf\((.+)\);$/gm)]);
    const tried = calls.flatMap(([, names = '']) => [...names.matchAll(/'([a-z]+)'/g)]);
    expect(tried.map(([, state = '']) => state).toSorted()).toEqual(
      distinct(cells.map(({ state }) => state)),
    );
  });

  test('it says of each action in each state what follows, once', () => {
    expect(distinct(cells.map(({ state }) => state))).toEqual(Object.keys(states).toSorted());
    expect(cells.length).toBe(new Set(cells.map(({ id }) => id)).size);
    expect(cells.length).toBe(
      Object.keys(states).length * distinct(cells.map(({ action }) => action)).length,
    );
  });

  test('it explains the words that it uses, and no others', () => {
    expect(readOperatorWords().toSorted()).toEqual(distinct(cells.map(({ outcome }) => outcome)));
  });
});
