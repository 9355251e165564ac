import type { Db } from '../../src/store/db.ts';

/**
 * Whatever writes a row into that table fails, and not before its commit.
 * @returns how to end that
 */
export async function refuseCommits(db: Db, table: 'decisions' | 'messages'): Promise<() => Promise<void>> {
  await db.query(`
    create function refuse_commit() returns trigger language plpgsql as $$ begin
      raise exception 'the commit fails';
    end $$;
    create constraint trigger refuse_commit after insert on ${table} deferrable initially deferred
      for each row execute function refuse_commit()`);
  return async () => void (await db.query('drop function refuse_commit cascade'));
}
