import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const page = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));
const heading = '### What follows';

/** A cell of the operators' table of docs/operations.md: what follows when an operator does it in that state. */
export interface Cell {
  /** Its row and its column: `terminate-gate`. */
  id: string;
  action: string;
  state: string;
  outcome: string;
}

/** The table as it stands there. @throws where it cannot be found, or a row is not as wide as the head */
export function readOperatorTable(): Cell[] {
  const [, section] = readFileSync(page, 'utf8').split(`\n${heading}\n`);
  const rows = (section ?? '').split('\n').filter((line) => line.startsWith('| '));
  const [head, rule, ...body] = rows.slice(
    0,
    rows.findIndex((line) => line.startsWith('| word')),
  );
  if (head === undefined || rule === undefined) {
    throw new Error(`docs/operations.md has no table under "${heading}" with the words below it.`);
  }
  const [, ...states] = cellsOf(head);
  return body.flatMap((line) => {
    const [action = '', ...outcomes] = cellsOf(line);
    if (outcomes.length !== states.length) throw new Error(`The row ${action} is not as wide as the head.`);
    return states.map((state, at) => ({
      id: `${action}-${state}`,
      action,
      state,
      outcome: outcomes[at] ?? '',
    }));
  });
}

/** The words that the table below it explains. */
export function readOperatorWords(): string[] {
  const [, section] = readFileSync(page, 'utf8').split(`\n${heading}\n`);
  const [, words = ''] = (section ?? '').split('\n| word');
  const [table = ''] = words.split('\n\n');
  return table
    .split('\n')
    .slice(2)
    .map((line) => cellsOf(line)[0] ?? '');
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));
}
