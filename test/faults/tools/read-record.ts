import { readFileSync } from 'node:fs';
import type { Client } from 'pg';
import { withClient } from '../../../src/cli/dev/postgres.ts';
import type { EffectLine } from './effect-line.ts';
import type { StoredCall, StoredDecision, StoredEvent, StoredTurn, ToolsRecord } from './record.ts';

type Stored = Pick<ToolsRecord, 'calls' | 'decisions' | 'turns' | 'events'>;

const millis = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** The store as it is at the end, read beside everything of ours. */
export function readStore(databaseUrl: string): Promise<Stored> {
  return withClient(databaseUrl, async (client) => ({
    calls: await rows<StoredCall>(
      client,
      `select id, session_id, turn_id, tool, arguments, arguments_hash, gate, status, attempt, result
       from tool_calls order by id`,
    ),
    decisions: await rows<StoredDecision>(
      client,
      `select tool_call_id, arguments_hash, decision, decided_by, ${millis('decided_at')} as decided_at,
         ${millis('acted_at')} as acted_at
       from decisions order by id`,
    ),
    turns: await rows<StoredTurn>(client, 'select id, session_id, status, error from turns order by id'),
    events: await rows<StoredEvent>(
      client,
      'select session_id, seq::int as seq, type, body from events order by session_id, seq',
    ),
  }));
}

export function readEffects(file: string): EffectLine[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as EffectLine);
}

async function rows<T>(client: Client, text: string): Promise<T[]> {
  return (await client.query(text)).rows as T[];
}
