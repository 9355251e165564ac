import type { ChildProcess } from 'node:child_process';

/** What globalSetup started and globalTeardown stops; both run in Jest's parent process. */
export interface Running {
  folder: string;
  services: { stop(): Promise<void> }[];
  keeper: ChildProcess;
}

const key = Symbol.for('turngate.test.running');
const holder = globalThis as { [key]?: Running };

export function keepRunning(running: Running): void {
  holder[key] = running;
}

export function takeRunning(): Running | undefined {
  const running = holder[key];
  delete holder[key];
  return running;
}
