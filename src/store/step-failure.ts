import type { Db } from './db.ts';
import { transaction } from './db.ts';
import { recordStep, type Spent } from './usage.ts';

/**
 * Counts an attempt that the model failed, and keeps which model it was and what it used.
 * @returns how many there were of this step
 */
export async function countFailure(
  db: Db,
  failed: { turnId: string; step: number; attempt: number; model: string | null; spent: Spent },
): Promise<number> {
  return transaction(db, async (tx) => {
    const [{ rows }] = await Promise.all([
      tx.query<{ failures: number }>({
        name: 'count-failure',
        text: `update steps set failures = failures + 1, model = coalesce($4, model)
               where turn_id = $1 and step = $2 and attempt = $3 returning failures`,
        values: [failed.turnId, failed.step, failed.attempt, failed.model],
      }),
      recordStep(tx, failed),
    ]);
    return rows[0]?.failures ?? 0;
  });
}
