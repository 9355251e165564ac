import { createInterface } from 'node:readline/promises';
import { CommandFailure } from './failure.ts';

/** What commands write to and ask through: standard output is for what programs may read. */
export interface Console {
  /** Whether a person is there who can be asked. */
  isInteractive: boolean;
  print(text: string): void;
  /** For the person alone. */
  tell(text: string): void;
  /** Asks for a line. @throws CommandFailure where the person leaves */
  ask(question: string): Promise<string>;
}

export function systemConsole(): Console {
  return {
    isInteractive: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    print: (text) => void process.stdout.write(`${text}\n`),
    tell: (text) => void process.stderr.write(`${text}\n`),
    ask: async (question) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      const left = new Promise<never>((_, reject) => {
        const leave = () => reject(new CommandFailure('left', 'Nothing was decided.'));
        reader.once('SIGINT', leave);
        reader.once('close', leave);
      });
      try {
        return await Promise.race([reader.question(question), left]);
      } finally {
        left.catch(() => undefined);
        reader.close();
      }
    },
  };
}

/** Whether the person says yes; anything else is no. */
export async function confirm(console: Console, question: string): Promise<boolean> {
  return /^(y|yes)$/i.test((await console.ask(`${question} [y/N] `)).trim());
}
