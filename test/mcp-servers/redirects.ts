/** Over HTTP: sends whoever comes to an inner address at the greeting or at the first call. */
import { createServer, type Server } from 'node:http';

export function createRedirects(options: { to: string; status: number; when: 'greeting' | 'call' }): Server {
  return createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const { id, method } = body === '' ? { id: null, method: 'GET' } : JSON.parse(body);
    if (request.method !== 'POST') return void response.writeHead(405).end();
    if (options.when === 'greeting' || method === 'tools/call') {
      return void response.writeHead(options.status, { location: options.to }).end();
    }
    if (id === undefined) return void response.writeHead(202).end();
    const greeting = {
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'redirects', version: '1.0.0' },
    };
    const tools = [{ name: 'go', description: 'Goes.', inputSchema: { type: 'object' } }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ jsonrpc: '2.0', id, result: method === 'initialize' ? greeting : { tools } }),
    );
  });
}
