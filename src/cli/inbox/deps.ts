import type { Ask } from './ask.ts';
import type { Console } from './terminal.ts';

export interface InboxDeps {
  ask: Ask;
  console: Console;
  env: NodeJS.ProcessEnv;
}

export interface OutputOptions {
  json?: boolean;
}
