/** MCP by hand, so that a server can do what the SDK would not let it: one JSON object a line, nothing checked. */
import { createInterface } from 'node:readline';

export interface Asked {
  id?: number | string;
  method?: string;
  params?: {
    name?: string;
    arguments?: Record<string, unknown>;
    cursor?: string;
    _meta?: Record<string, unknown>;
  };
  result?: unknown;
  error?: unknown;
}

export const say = (message: object) =>
  void process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
export const text = (words: string) => ({ content: [{ type: 'text', text: words }] });
export const tool = (name: string, more: object = {}) => ({
  name,
  description: `The tool ${name}.`,
  inputSchema: { type: 'object' },
  ...more,
});

/** Greets as every server does, and leaves everything else to the hostile part. */
export function serve(parts: {
  tools: unknown[] | ((asked: Asked) => object | undefined);
  call(asked: Asked, name: string): void;
  other?(asked: Asked): void;
}): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const asked: Asked = JSON.parse(line);
    const { id, method, params } = asked;
    if (method === 'initialize') {
      const capabilities = { tools: { listChanged: true } };
      const serverInfo = { name: 'hostile', version: '1.0.0' };
      say({ id, result: { protocolVersion: '2025-06-18', capabilities, serverInfo } });
    } else if (method === 'tools/list') {
      const result = typeof parts.tools === 'function' ? parts.tools(asked) : { tools: parts.tools };
      if (result !== undefined) say({ id, result });
    } else if (method === 'tools/call') {
      parts.call(asked, params?.name ?? '');
    } else {
      parts.other?.(asked);
    }
  });
}
