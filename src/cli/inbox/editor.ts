import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shownJson } from '../../client/index.ts';
import { errorText } from '../../protocol/error-text.ts';
import { CommandFailure } from './failure.ts';
import { type Console, confirm } from './terminal.ts';

const usualEditor = 'vi';

/**
 * Lets a person change a JSON object in their editor (`VISUAL`, else `EDITOR`), until it is one.
 * @throws CommandFailure where the editor cannot be started, or the person gives up
 */
export async function editedInEditor(
  console: Console,
  value: unknown,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, unknown>> {
  if (!console.isInteractive) {
    throw new CommandFailure(
      'failed',
      'There is no terminal for an editor: give --arguments, and --yes with it.',
    );
  }
  // Nobody else is to read it.
  const folder = mkdtempSync(join(tmpdir(), 'turngate-edit-'));
  const file = join(folder, 'arguments.json');
  try {
    writeFileSync(file, `${shownJson(value, 2)}\n`, { mode: 0o600 });
    for (;;) {
      openEditor(env.VISUAL || env.EDITOR || usualEditor, file);
      const read = objectIn(readFileSync(file, 'utf8'));
      if ('value' in read) return read.value;
      console.tell(read.fault);
      if (!(await confirm(console, 'Edit it again?'))) {
        throw new CommandFailure('left', 'Nothing was decided.');
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param editor a command, perhaps with arguments, as a shell takes it */
function openEditor(editor: string, file: string): void {
  const { status, error } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
  if (status === 0) return;
  const why = error ? errorText(error) : `it ended with ${status ?? 'a signal'}`;
  throw new CommandFailure(
    'failed',
    `The editor "${editor}" did not work (${why}). Set EDITOR, or use --arguments.`,
  );
}

function objectIn(text: string): { value: Record<string, unknown> } | { fault: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return { value: value as Record<string, unknown> };
    }
    return { fault: 'The arguments have to be a JSON object.' };
  } catch (error) {
    return { fault: `This is no JSON: ${errorText(error)}.` };
  }
}
