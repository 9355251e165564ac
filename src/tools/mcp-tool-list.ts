import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { z } from 'zod';
import { schemaFault } from '../gate/schema-fault.ts';
import { cleanJson, cleanText, cutAt } from '../protocol/text.ts';
import { withExchange } from './mcp-exchange.ts';
import type { ToolDescriptor } from './port.ts';
import { visible, visibleSchema } from './visible-words.ts';

/** How long a server may take to say anew what one tool is. */
export const describeMs = 15_000;
const maxPages = 20;
const maxTools = 500;
const toolsPerPageMax = 5_000;
const descriptionChars = 8_000;
/** Of all descriptions and schemas of one server: every request to a model carries them. */
const offeredChars = 1024 * 1024;
const faultsKept = 100;
/** MCP's own rule. Anything else could pass for another tool on a screen. */
const toolName = /^[A-Za-z0-9_./-]{1,128}$/;
/** How many tools are looked at before others get their turn. */
const toolsAtOnce = 20;

// The SDK's own listTools() compiles a validator for every output schema, which we do not use.
const toolsPage = z.object({
  tools: z.array(z.unknown()).max(toolsPerPageMax),
  nextCursor: z.string().optional(),
});
const listedTool = z.object({
  name: z.string(),
  description: z.string().optional(),
  inputSchema: z.record(z.string(), z.unknown()),
  annotations: z
    .object({
      readOnlyHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
      destructiveHint: z.boolean().optional(),
    })
    .optional(),
});

interface Page {
  tools: ToolDescriptor[];
  next: string | undefined;
}

/** What one server says of its tools, asked page by page, each page once for all who want it. */
export class ToolListing {
  readonly #server: string;
  readonly #client: Client;
  readonly #until: number;
  readonly #signal: AbortSignal | undefined;
  readonly #pages: Promise<Page>[] = [];
  readonly #names = new Set<string>();
  /** Why a tool is not offered, by its name; the first ones. */
  readonly faults = new Map<string, string>();
  #chars = 0;
  /** Whether the first page is there, so that whoever asks now wants a newer listing. */
  begun = false;

  /** @param timeoutMs for all pages together */
  constructor(server: string, client: Client, timeoutMs: number, signal?: AbortSignal) {
    this.#server = server;
    this.#client = client;
    this.#until = Date.now() + timeoutMs;
    this.#signal = signal;
  }

  async all(): Promise<ToolDescriptor[]> {
    const tools: ToolDescriptor[] = [];
    for await (const page of this.#walk()) tools.push(...page);
    return tools;
  }

  /** Asks only for as many pages as it takes. @throws Error that says why the tool is not offered */
  async find(tool: string): Promise<ToolDescriptor | undefined> {
    for await (const page of this.#walk()) {
      const found = page.find(({ name }) => name === tool);
      if (found !== undefined) return found;
      const fault = this.faults.get(tool);
      if (fault !== undefined) throw new Error(`The tool ${tool} is not offered: ${fault}.`);
    }
    return undefined;
  }

  async *#walk(): AsyncGenerator<ToolDescriptor[]> {
    // A server may offer no tools at all, only prompts or resources.
    if (this.#client.getServerCapabilities()?.tools === undefined) return;
    let cursor: string | undefined;
    for (let number = 0; number < maxPages; number += 1) {
      this.#pages[number] ??= this.#fetch(cursor);
      const page = await this.#pages[number];
      if (page === undefined) return;
      yield page.tools;
      cursor = page.next;
      if (cursor === undefined) return;
    }
    this.#leaveOut('[more pages]', `the server has more than ${maxPages} pages of tools`);
  }

  async #fetch(cursor: string | undefined): Promise<Page> {
    const params = cursor === undefined ? {} : { cursor };
    const timeout = Math.max(1, this.#until - Date.now());
    const options = { timeout, ...(this.#signal ? { signal: this.#signal } : {}) };
    const request = () => this.#client.request({ method: 'tools/list', params }, toolsPage, options);
    const answer = await withExchange(request).finally(() => {
      this.begun = true;
    });
    const tools: ToolDescriptor[] = [];
    for (const [index, raw] of answer.tools.entries()) {
      if (index % toolsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
      const tool = this.#take(raw);
      if (tool !== undefined) tools.push(tool);
    }
    return { tools, next: answer.nextCursor };
  }

  #take(raw: unknown): ToolDescriptor | undefined {
    const parsed = listedTool.safeParse(raw);
    if (!parsed.success) return this.#leaveOut('[unreadable]', 'it is not written as a tool');
    const { name, annotations = {}, ...said } = parsed.data;
    const full = `${this.#server}.${name}`;
    if (!toolName.test(name)) {
      const shown = JSON.stringify(name.slice(0, 60));
      return this.#leaveOut(full, `its name ${shown} has other characters than letters, digits and "_.-/"`);
    }
    if (this.#names.has(name)) return this.#leaveOut('[repeated]', `there are several of the name ${name}`);
    if (this.#names.size >= maxTools)
      return this.#leaveOut(full, `the server has more than ${maxTools} tools`);
    this.#names.add(name);
    const fault = schemaFault(said.inputSchema);
    if (fault !== null) return this.#leaveOut(full, `its schema ${fault}`);
    const description = visible(cleanText(said.description ?? ''));
    const tool = {
      name: full,
      server: this.#server,
      description: description.slice(0, cutAt(description, descriptionChars)),
      inputSchema: visibleSchema(cleanJson(said.inputSchema)) as Record<string, unknown>,
      readOnlyHint: annotations.readOnlyHint === true,
      idempotentHint: annotations.idempotentHint === true,
      destructiveHint: annotations.destructiveHint,
    };
    this.#chars += tool.description.length + JSON.stringify(tool.inputSchema).length;
    if (this.#chars <= offeredChars) return tool;
    return this.#leaveOut(full, `the descriptions of its server are longer than ${offeredChars} characters`);
  }

  #leaveOut(name: string, why: string): undefined {
    if (this.faults.size < faultsKept) this.faults.set(name, why);
    return undefined;
  }
}
