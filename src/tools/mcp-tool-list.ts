import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { z } from 'zod';
import { cleanJson, cleanText, cutAt } from '../protocol/text.ts';
import type { ToolDescriptor } from './port.ts';

const maxPages = 20;
const maxTools = 500;
const descriptionChars = 8_000;

// The SDK's own listTools() compiles a validator for every output schema, which we do not use.
const toolsPage = z.object({
  tools: z.array(
    z.object({
      name: z.string().min(1).max(200),
      description: z.string().optional(),
      inputSchema: z.record(z.string(), z.unknown()),
      annotations: z
        .object({
          readOnlyHint: z.boolean().optional(),
          idempotentHint: z.boolean().optional(),
          destructiveHint: z.boolean().optional(),
        })
        .optional(),
    }),
  ),
  nextCursor: z.string().optional(),
});

/** All tools of one server, within bounds. @param timeoutMs of each page */
export async function fetchTools(
  server: string,
  client: Client,
  timeoutMs: number,
): Promise<ToolDescriptor[]> {
  // A server may offer no tools at all, only prompts or resources.
  if (client.getServerCapabilities()?.tools === undefined) return [];
  const tools: ToolDescriptor[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < maxPages && tools.length < maxTools; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await client.request({ method: 'tools/list', params }, toolsPage, { timeout: timeoutMs });
    for (const tool of answer.tools) {
      const description = cleanText(tool.description ?? '');
      tools.push({
        name: `${server}.${cleanText(tool.name)}`,
        server,
        description: description.slice(0, cutAt(description, descriptionChars)),
        inputSchema: cleanJson(tool.inputSchema) as Record<string, unknown>,
        readOnlyHint: tool.annotations?.readOnlyHint === true,
        idempotentHint: tool.annotations?.idempotentHint === true,
        destructiveHint: tool.annotations?.destructiveHint,
      });
    }
    cursor = answer.nextCursor;
    if (cursor === undefined) break;
  }
  return tools.slice(0, maxTools);
}
