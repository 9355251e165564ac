import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { until } from './gateway.ts';

export interface TerminalOptions {
  cwd: string;
  env: Record<string, string>;
  columns?: number;
  rows?: number;
}

const scrollbackRows = 5_000;
const waitMs = 30_000;

/** A program in a pseudo-terminal, and the screen that a person would see of it. */
export class TerminalRun {
  readonly #pty: IPty;
  readonly #screen: xterm.Terminal;
  readonly exited: Promise<number>;
  #output = '';
  #exitCode: number | null = null;

  constructor(file: string, args: string[], options: TerminalOptions) {
    const { cwd, env, columns: cols = 80, rows = 24 } = options;
    this.#screen = new xterm.Terminal({ cols, rows, scrollback: scrollbackRows, allowProposedApi: true });
    this.#pty = spawn(file, args, { cwd, env, cols, rows, name: 'xterm-256color' });
    this.#pty.onData((data) => {
      this.#output += data;
      this.#screen.write(data);
    });
    this.exited = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => {
        this.#exitCode = exitCode;
        resolve(exitCode);
      });
    });
  }

  /** Every byte that the program wrote, escape sequences and all. */
  get output(): string {
    return this.#output;
  }

  /** What is on the screen now. */
  screen(): string {
    const { baseY } = this.#screen.buffer.active;
    return this.#lines(baseY, baseY + this.#screen.rows);
  }

  /** The screen with all that has scrolled off it. */
  all(): string {
    return this.#lines(0, this.#screen.buffer.active.length);
  }

  /** The text with wrapped rows joined, for words that a row's end may cut. */
  flow(): string {
    return this.all().replaceAll('\n', '').replaceAll(/ +/g, ' ');
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  /** Waits until the screen shows this. */
  async shows(what: string | RegExp): Promise<void> {
    await this.#waitFor(String(what), () => {
      const screen = this.screen();
      return typeof what === 'string' ? screen.includes(what) : what.test(screen);
    });
  }

  async hides(what: string): Promise<void> {
    await this.#waitFor(`no "${what}"`, () => !this.screen().includes(what));
  }

  async end(): Promise<void> {
    if (this.#exitCode === null) this.#pty.kill('SIGKILL');
    await this.exited;
    this.#screen.dispose();
  }

  async #waitFor(what: string, holds: () => boolean): Promise<void> {
    await until(() => holds() || this.#exitCode !== null, waitMs).catch(() => undefined);
    if (holds()) return;
    const state =
      this.#exitCode === null ? 'The terminal shows' : `It exited with ${this.#exitCode} and showed`;
    throw new Error(`${what} did not come. ${state}:\n${this.all()}`);
  }

  #lines(from: number, to: number): string {
    const { active } = this.#screen.buffer;
    const lines = Array.from({ length: to - from }, (_, row) =>
      (active.getLine(from + row)?.translateToString(true) ?? '').trimEnd(),
    );
    return lines.join('\n').trimEnd();
  }
}
