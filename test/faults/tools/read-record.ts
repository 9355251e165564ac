import { readFileSync } from 'node:fs';
import type { Client } from 'pg';
import { withClient } from '../../../src/cli/dev/postgres.ts';
import type { EffectLine } from './effect-line.ts';
import type {
  StoredAudit,
  StoredCall,
  StoredDecision,
  StoredEvent,
  StoredGrant,
  StoredQuestion,
  StoredTurn,
  StoredVote,
  ToolsRecord,
} from './record.ts';

type Stored = Pick<
  ToolsRecord,
  'calls' | 'decisions' | 'votes' | 'grants' | 'audit' | 'questions' | 'turns' | 'events'
>;

const millis = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** The store as it is at the end, read beside everything of ours. */
export function readStore(databaseUrl: string): Promise<Stored> {
  return withClient(databaseUrl, async (client) => ({
    calls: await rows<StoredCall>(
      client,
      `select id, session_id, turn_id, tool, arguments, arguments_hash, gate, status, attempt, result, error,
         round, grant_id
       from tool_calls order by id`,
    ),
    decisions: await rows<StoredDecision>(
      client,
      `select tool_call_id, round, arguments_hash, decision, decided_by, ${millis('decided_at')} as decided_at,
         ${millis('acted_at')} as acted_at
       from decisions order by id`,
    ),
    votes: await rows<StoredVote>(client, 'select tool_call_id, round, user_id, arguments_hash from votes'),
    grants: await rows<StoredGrant>(
      client,
      `select id, session_id, tool, ${millis('granted_at')} as granted_at from grants`,
    ),
    audit: await rows<StoredAudit>(
      client,
      'select tool_call_id, actor, action from approval_audit order by id',
    ),
    questions: await rows<StoredQuestion>(
      client,
      `select id, tool_call_id, kind, action, content, answered_by, ${millis('answered_at')} as answered_at,
         ${millis('acted_at')} as acted_at
       from input_requests order by id`,
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
