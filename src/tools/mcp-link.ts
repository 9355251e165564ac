import { delimiter, dirname, resolve } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { errorText } from '../protocol/error-text.ts';
import { cleanText, cutAt } from '../protocol/text.ts';
import type { ToolLog } from './log.ts';
import type { HttpServer, McpServer, StdioServer } from './mcp-config.ts';
import type { Elicitor } from './mcp-elicit.ts';
import { withExchange } from './mcp-exchange.ts';
import { createMcpHttp } from './mcp-http.ts';
import { resolveServer } from './mcp-references.ts';
import { StdioTransport } from './mcp-stdio.ts';
import { readStderrLines } from './stderr-lines.ts';

const errorsPerMinute = 60;
const wordsChars = 300;

export interface ConnectionOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  log: ToolLog;
  connectTimeoutMs: number;
}

export interface LinkHooks {
  /** It is gone, by itself or because it was closed. */
  onGone(): void;
  onToolsChanged(): void;
  /** It can be asked nothing more. */
  onDeaf(): void;
}

/** One start of one server: an initialised client over a child's pipes or over HTTP. Used once. */
export class Link {
  readonly client: Client;
  /** True from the moment nothing more can come from the server. */
  closed = false;
  /** Why we ended it, where the server gave a reason. */
  fault: string | undefined;
  /** Takes the server's questions: of the one call under way, where its server may ask. */
  elicitor: Elicitor | undefined;
  /** Hashes of tools, as they were last asked for one by one. */
  readonly told = new Map<string, string>();
  /** Resolved when nothing of it is left, no process either. */
  readonly gone: Promise<void>;
  /** A text without the values that came from the environment and may be secrets. */
  hide: (text: string) => string = (text) => text;
  readonly #name: string;
  readonly #server: McpServer;
  readonly #options: ConnectionOptions;
  readonly #hooks: LinkHooks;
  readonly #settle: () => void;
  #lastLines: () => string[] = () => [];
  #closeCarrier: () => Promise<void> = async () => undefined;
  #errors = 0;
  #errorsSince = 0;

  constructor(name: string, server: McpServer, options: ConnectionOptions, hooks: LinkHooks) {
    this.#name = name;
    this.#server = server;
    this.#options = options;
    this.#hooks = hooks;
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#settle = gone.resolve;
    const { elicits } = server.turngate;
    const capabilities = elicits ? { elicitation: { form: {} } } : {};
    this.client = new Client({ name: 'turngate', version: '0.1.0' }, { capabilities });
    this.client.setNotificationHandler(ToolListChangedNotificationSchema, () => hooks.onToolsChanged());
    if (elicits) {
      this.client.setRequestHandler(ElicitRequestSchema, async ({ params }, { signal }) => {
        return (await this.elicitor?.(params, signal)) ?? { action: 'decline' };
      });
    }
    this.client.onclose = () => {
      this.closed = true;
      hooks.onGone();
    };
    this.client.onerror = (error) => this.#logError(error);
  }

  /** @throws Error with a sentence that says why the server cannot be reached */
  async open(): Promise<void> {
    try {
      const transport = this.#createTransport();
      await withExchange(() => this.client.connect(transport, { timeout: this.#options.connectTimeoutMs }));
    } catch (error) {
      this.closed = true;
      void this.close();
      throw new Error(this.#startFault(error), { cause: error });
    }
  }

  /** @returns when the server was told; `gone` says when it is */
  async close(): Promise<void> {
    this.closed = true;
    await this.#closeCarrier();
    if (this.#server.type === 'http') this.#settle();
  }

  /** The last that a child said, for whoever has to find out why it ended. */
  lastLines(): string[] {
    return this.#lastLines().map(this.hide);
  }

  #startFault(error: unknown): string {
    const words = this.fault ?? this.#lastLines().at(-1) ?? errorText(error);
    const why = this.hide(cleanText(words)).replace(/\.$/, '');
    const what = this.#server.type === 'http' ? 'reached' : 'started';
    return `The MCP server "${this.#name}" could not be ${what}: ${why.slice(0, cutAt(why, wordsChars))}.`;
  }

  #createTransport(): Transport {
    try {
      const { server, hide } = resolveServer(this.#name, this.#server, this.#options.env);
      this.hide = hide;
      return server.type === 'http' ? this.#overHttp(server) : this.#overPipes(server);
    } catch (error) {
      this.#settle();
      throw error;
    }
  }

  #overPipes(server: StdioServer): Transport {
    const { cwd, env, log } = this.#options;
    const child = {
      command: server.command,
      args: server.args,
      env: { ...startEnvironment(env), ...server.env },
      cwd: resolve(cwd, server.cwd ?? '.'),
    };
    const transport = new StdioTransport(child, (stream) => {
      this.#lastLines = readStderrLines(stream, (line) =>
        log.debug({ server: this.#name, line: this.hide(line) }, 'MCP server wrote to stderr'),
      );
    });
    void transport.gone.then(this.#settle);
    this.#closeCarrier = () => transport.close();
    transport.onDeaf = () => this.#hooks.onDeaf();
    transport.onFault = (why) => {
      this.fault = why;
    };
    return transport;
  }

  #overHttp(server: HttpServer): Transport {
    const http = createMcpHttp({
      url: readUrl(server.url),
      headers: server.headers,
      privateAddress: server.turngate.privateAddress,
      onFault: (why) => {
        this.fault = why;
        void this.close();
      },
    });
    this.#closeCarrier = () => http.close();
    return http.transport as Transport;
  }

  /** Its text may quote what a tool said: only the part before the quotation. Of a flood, the first of each minute. */
  #logError(error: Error): void {
    const now = Date.now();
    if (now - this.#errorsSince > 60_000) {
      this.#errorsSince = now;
      this.#errors = 0;
    }
    this.#errors += 1;
    if (this.#errors > errorsPerMinute) return;
    const words = error.message.slice(0, wordsChars).split(/[{"'[]/, 1)[0] ?? '';
    this.#options.log.debug({ server: this.#name, error: this.hide(words) }, 'MCP connection error');
  }
}

/** @throws Error with words that follow "could not be reached:" and quote nothing, since it may hold a secret */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error('its url is not one of http or https');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error('its url holds a user or a password; give a header that refers to the environment');
  }
  return url;
}

/** Enough to find and start a program, and the Node that runs us before any other. */
function startEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const path = [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter);
  return { PATH: path, ...(env.HOME === undefined ? {} : { HOME: env.HOME }) };
}
