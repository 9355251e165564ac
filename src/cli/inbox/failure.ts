import { StartFailure } from '../dev/start-failure.ts';

/** How a command ends that asks a gateway for something; 0 where it is done. */
const exitCodes = {
  /** It could not be done: nothing answers, or what was typed makes no sense. */
  failed: 1,
  /** Somebody decided or answered before, or what waits is something else now. */
  conflict: 2,
  not_found: 3,
  /** The token is not accepted, or its user may not. */
  forbidden: 4,
  /** The person at the terminal said no. */
  left: 5,
} as const;

/** A sentence for the console, and the exit code that programs go by. */
export class CommandFailure extends StartFailure {
  readonly exitCode: number;

  constructor(why: keyof typeof exitCodes, message: string) {
    super(message);
    this.exitCode = exitCodes[why];
  }
}
