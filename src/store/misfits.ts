import type { Tx } from './db.ts';

/** Rules under which a call is refused for its arguments, and for those of calls before it. */
export const misfitRules = { wrong: 'invalid-arguments', givenUp: 'tool-given-up' } as const;

/** How often in a row the last calls of each tool had wrong arguments, in a turn so far, by `server.tool`. */
export async function readMisfits(tx: Tx, turnId: string): Promise<Map<string, number>> {
  const { rows } = await tx.query<{ tool: string; misfits: number }>({
    name: 'read-misfits',
    text: `select c.tool, count(*)::int as misfits from tool_calls c
           where c.turn_id = $1 and c.rule = $2 and c.gate = 'deny' and not exists (
             select 1 from tool_calls l where l.turn_id = $1 and l.tool = c.tool
               and (l.step, l.ordinal) > (c.step, c.ordinal) and l.rule not in ($2, $3))
           group by c.tool`,
    values: [turnId, misfitRules.wrong, misfitRules.givenUp],
  });
  return new Map(rows.map(({ tool, misfits }) => [tool, misfits]));
}
