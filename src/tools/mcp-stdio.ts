import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { Intake, MESSAGE_BYTES_MAX } from './mcp-intake.ts';

/** What is written and not read by the child; more ends it. */
const unreadBytesMax = 4 * 1024 * 1024;
const stepMs = 2_000;
const newline = 10;

export interface StdioOptions {
  command: string;
  args: string[];
  /** All of it: the child inherits nothing. */
  env: Record<string, string>;
  cwd: string;
}

/** Nobody reads what is sent: the child has ended, a moment before it is known. */
export class PipeClosed extends Error {
  override readonly name = 'PipeClosed';
  /** Whether it was written, so that some of it may have been read. */
  readonly written: boolean;

  constructor(written: boolean, options?: ErrorOptions) {
    super('its server has stopped', options);
    this.written = written;
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * MCP over a child's stdin and stdout. The SDK's own transport gives the child more of our environment than the file
 * names, reads as fast as the child writes, and leaves the child's children behind; this one does not.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** It is ended by us, because the child did this. */
  onFault?: (why: string) => void;
  /** The child reads nothing more. What it has read it may still answer. */
  onDeaf?: () => void;
  /** Resolved when the process and its pipes are gone. */
  readonly gone: Promise<void>;
  readonly #options: StdioOptions;
  readonly #onStderr: (stream: Readable) => void;
  readonly #settle: () => void;
  readonly #intake = new Intake();
  #child: Child | undefined;
  #closed = false;
  #told = false;
  #pieces: Buffer[] = [];
  #lineBytes = 0;

  constructor(options: StdioOptions, onStderr: (stream: Readable) => void) {
    this.#options = options;
    this.#onStderr = onStderr;
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#settle = gone.resolve;
  }

  start(): Promise<void> {
    const { command, args, env, cwd } = this.#options;
    return new Promise((resolve, reject) => {
      // A process group of its own, so that what it started can be ended with it.
      const child = spawn(command, args, { env, cwd, stdio: 'pipe', detached: true });
      this.#child = child;
      child.once('spawn', resolve);
      child.once('error', (error) => {
        reject(error);
        this.#ended();
      });
      child.once('exit', () => {
        // What it started may hold its pipes open for ever.
        this.#kill('SIGTERM');
        setTimeout(() => this.#ended(), stepMs).unref();
      });
      child.once('close', () => this.#ended());
      child.stdin.on('error', (error) => this.onerror?.(error));
      child.stdout.on('error', (error) => this.onerror?.(error));
      child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
      this.#onStderr(child.stderr);
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (this.#closed || stdin === undefined) return Promise.reject(new PipeClosed(false));
    if (!stdin.writable) {
      this.onDeaf?.();
      return Promise.reject(new PipeClosed(false));
    }
    if (stdin.writableLength > unreadBytesMax) {
      this.#fail('does not read what it is sent');
      return Promise.reject(new PipeClosed(false));
    }
    return new Promise((resolve, reject) => {
      stdin.write(`${JSON.stringify(message)}\n`, (error) => {
        if (!error) return resolve();
        this.onDeaf?.();
        reject(new PipeClosed(true, { cause: error }));
      });
    });
  }

  /** Its stdin is closed, then SIGTERM after 2 s, then SIGKILL after 2 s more. */
  async close(): Promise<void> {
    this.#child?.stdin.end();
    // What it still says is not read, but must not keep it from ending.
    this.#closed = true;
    this.#child?.stdout.resume();
    if (this.#child === undefined) this.#ended();
    if (await this.#isGoneWithin(stepMs)) return;
    this.#kill('SIGTERM');
    if (await this.#isGoneWithin(stepMs)) return;
    this.#kill('SIGKILL');
  }

  #isGoneWithin(timeoutMs: number): Promise<boolean> {
    return Promise.race([this.gone.then(() => true), delay(timeoutMs, false, { ref: false })]);
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    let from = 0;
    let messages = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      this.#pieces.push(chunk.subarray(from, end));
      from = end + 1;
      messages += 1;
      this.#deliver();
    }
    this.#pieces.push(chunk.subarray(from));
    this.#lineBytes += chunk.length - from;
    if (this.#lineBytes > MESSAGE_BYTES_MAX) {
      this.#fail(`sent a message of more than ${MESSAGE_BYTES_MAX} bytes`);
      return;
    }
    const waitMs = this.#intake.take(chunk.length, messages);
    if (waitMs > 0) this.#pause(waitMs);
  }

  #deliver(): void {
    const line = Buffer.concat(this.#pieces).toString('utf8').trim();
    this.#pieces = [];
    this.#lineBytes = 0;
    if (line === '' || this.#closed) return;
    try {
      this.onmessage?.(JSONRPCMessageSchema.parse(JSON.parse(line)));
    } catch {
      this.onerror?.(new Error('a line that is no message of the protocol'));
    }
  }

  #pause(forMs: number): void {
    const stdout = this.#child?.stdout;
    stdout?.pause();
    setTimeout(() => stdout?.resume(), forMs).unref();
  }

  /** It is hostile or broken: nothing more is heard of it. */
  #fail(why: string): void {
    if (this.#closed) return;
    this.onFault?.(why);
    this.#closed = true;
    this.#pieces = [];
    this.#child?.stdout.destroy();
    this.#child?.stdin.destroy();
    this.#kill('SIGKILL');
    this.#tell();
  }

  #ended(): void {
    this.#closed = true;
    this.#pieces = [];
    this.#child?.stdout.destroy();
    this.#child?.stderr.destroy();
    this.#settle();
    this.#tell();
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.onclose?.();
  }

  #kill(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody of its group is left.
      return;
    }
  }
}
