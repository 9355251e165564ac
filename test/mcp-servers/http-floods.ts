/** Over HTTP: too much in one answer, or a stream that says nothing of use and does not end. */
import { createServer, type Server, type ServerResponse } from 'node:http';

export type Flood =
  | 'json'
  | 'event'
  | 'events'
  | 'silence'
  | 'cut'
  | 'packed'
  | 'words'
  | 'empty'
  | 'comes-back';

export function createHttpFloods(): Server & { streams: number } {
  const counts = { streams: 0 };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    if (request.method === 'GET') {
      counts.streams += 1;
      // Ends at once, and asks to come back at once.
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('retry: 0\nid: 7\n\n');
    }
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method, params } = JSON.parse(body);
    if (id === undefined) return void response.writeHead(202).end();
    if (method === 'tools/call') return void flood(response, id, params.name);
    const greeting = {
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'floods', version: '1.0.0' },
    };
    const tools = [{ name: 'json', description: 'Floods.', inputSchema: { type: 'object' } }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ jsonrpc: '2.0', id, result: method === 'initialize' ? greeting : { tools } }),
    );
  });
  return Object.defineProperty(server, 'streams', { get: () => counts.streams }) as Server & {
    streams: number;
  };
}

const chunk = 'x'.repeat(64 * 1024);

function pour(response: ServerResponse, text: string): void {
  while (!response.destroyed && response.write(text));
  if (!response.destroyed) response.once('drain', () => pour(response, text));
}

function flood(response: ServerResponse, id: number, kind: Flood): void {
  const answer = JSON.stringify({
    jsonrpc: '2.0',
    id,
    result: { content: [{ type: 'text', text: 'late' }] },
  });
  if (kind === 'words') return void response.writeHead(500).end(`no ${chunk.repeat(100)}`);
  if (kind === 'empty') return void response.writeHead(202).end();
  if (kind === 'packed') {
    return void response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(answer);
  }
  const type = kind === 'json' ? 'application/json' : 'text/event-stream';
  response.writeHead(200, { 'content-type': type });
  if (kind === 'json') pour(response, chunk);
  if (kind === 'event') {
    response.write('data: ');
    pour(response, chunk);
  }
  const notice = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } };
  if (kind === 'events') pour(response, `data: ${JSON.stringify(notice)}\n\n`.repeat(500));
  if (kind === 'silence') response.write(': nothing yet\n\n');
  if (kind === 'cut') response.write('data: {"jsonrpc"', () => response.destroy());
  if (kind === 'comes-back') response.end('retry: 0\nid: 5\n\n');
}
