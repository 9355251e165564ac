import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './rows.ts';

const columns = ['what', 'value', 'aim', ''];

/** The rows as a table for the console. */
export function table(rows: Row[]): string {
  const cells = rows.map((row) => [row.what, figure(row.value, row), aimOf(row), verdict(row)]);
  const widths = columns.map((name, column) =>
    Math.max(name.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const line = (parts: string[]) =>
    parts
      .map((part, column) => {
        const width = widths[column] ?? 0;
        return column === 1 || column === 2 ? part.padStart(width) : part.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width));
  return [columns, rule, ...cells].map(line).join('\n');
}

function figure(value: number, row: Row): string {
  const text = ['events', 'sessions'].includes(row.unit)
    ? String(value)
    : value.toFixed(row.unit === '×' ? 2 : 1);
  return row.unit === '×' ? `${text} ×` : `${text} ${row.unit}`;
}

function aimOf(row: Row): string {
  const sign = row.unit === 'sessions' ? '≥' : '≤';
  return row.aim === null ? '' : `${sign} ${row.aim.toLocaleString('en')} ${row.unit}`;
}

function verdict(row: Row): string {
  if (row.met === null) return '';
  return row.met ? 'met' : 'NOT MET';
}

/** Writes a result beside the earlier ones. Answers the file's name. */
export function saveResult(folder: string, result: { at: string; [more: string]: unknown }): string {
  mkdirSync(folder, { recursive: true });
  const name = `${result.at.replaceAll(/[:.]/g, '-')}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(result, null, 2)}\n`);
  return name;
}
