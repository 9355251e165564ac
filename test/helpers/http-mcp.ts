import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

/** A real MCP server over streamable HTTP, in the test's process, with what it was sent. */
export interface HttpMcp {
  url: string;
  /** Of every request, in order. */
  requests: { method: string; headers: IncomingMessage['headers']; body: string }[];
  /** Of tool calls whose client said that it cancels them. */
  cancelled: string[];
  sessions(): number;
  /** As after a restart: it knows no session any more. */
  forgetSessions(): void;
  /** Tool calls are answered with this status alone, as a proxy does. */
  answerCalls(status: number): void;
  /** Ends the streams of answers under way, as a network does. */
  breakStreams(): void;
  close(): Promise<void>;
}

export async function startHttpMcp(options: { json?: boolean } = {}): Promise<HttpMcp> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const open = new Set<ServerResponse>();
  const requests: HttpMcp['requests'] = [];
  const cancelled: string[] = [];
  let callStatus: number | undefined;

  async function newSession(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: options.json ?? false,
      eventStore: new InMemoryEventStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    });
    await createTools(cancelled).connect(transport);
    return transport;
  }

  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    requests.push({ method: request.method ?? '', headers: request.headers, body });
    open.add(response);
    response.on('close', () => open.delete(response));
    const json = body === '' ? undefined : JSON.parse(body);
    const known = transports.get(String(request.headers['mcp-session-id']));
    if (callStatus !== undefined && json?.method === 'tools/call') {
      response.writeHead(callStatus).end('says a proxy');
      return;
    }
    if (known !== undefined) return known.handleRequest(request, response, json);
    if (isInitializeRequest(json)) return (await newSession()).handleRequest(request, response, json);
    response.writeHead(404).end('no such session');
  });
  const url = await listen(server);
  return {
    url: `${url}/mcp`,
    requests,
    cancelled,
    sessions: () => transports.size,
    forgetSessions: () => transports.clear(),
    answerCalls: (status) => {
      callStatus = status;
    },
    breakStreams: () => {
      for (const response of open) response.destroy();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** @returns its address, `http://127.0.0.1:<port>` */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function createTools(cancelled: string[]): McpServer {
  const server = new McpServer({ name: 'turngate-test-http', version: '1.0.0' });
  const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
  server.registerTool('echo', { description: 'Says it again.', inputSchema: { text: z.string() } }, (input) =>
    text(input.text),
  );
  server.registerTool(
    'wait',
    { description: 'Waits, with progress.', inputSchema: { ms: z.number(), name: z.string() } },
    async ({ ms, name }, extra) => {
      extra.signal.addEventListener('abort', () => cancelled.push(name));
      const progressToken = extra._meta?.progressToken;
      if (progressToken !== undefined) {
        const params = { progressToken, progress: 1, total: 2 };
        await extra.sendNotification({ method: 'notifications/progress', params });
      }
      await delay(ms, undefined, { signal: extra.signal });
      return text(`waited for ${name}`);
    },
  );
  return server;
}
