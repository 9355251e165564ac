import type { ToolDefinition } from '../gate/hashes.ts';
import type { Tx } from './db.ts';

/** Keeps what a tool was when somebody was asked about it. */
export async function keepDefinition(tx: Tx, hash: string, tool: ToolDefinition): Promise<void> {
  await tx.query({
    name: 'keep-tool-definition',
    text: `insert into tool_definitions (hash, name, server, description, input_schema)
           values ($1, $2, $3, $4, $5) on conflict (hash) do nothing`,
    values: [hash, tool.name, tool.server, tool.description, JSON.stringify(tool.inputSchema)],
  });
}

/** The schema that arguments of a call have to fit; null where the tool was not kept. */
export async function readSchema(tx: Tx, hash: string): Promise<Record<string, unknown> | null> {
  const { rows } = await tx.query<{ input_schema: Record<string, unknown> }>({
    name: 'read-tool-schema',
    text: 'select input_schema from tool_definitions where hash = $1',
    values: [hash],
  });
  return rows[0]?.input_schema ?? null;
}
