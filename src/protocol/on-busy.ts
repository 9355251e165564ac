import { z } from 'zod';

/** What becomes of a message that is sent while any turn of its session has not ended. */
export const onBusy = z.enum(['enqueue', 'reject', 'interrupt', 'steer', 'rollback'], {
  error: 'must be "enqueue", "reject", "interrupt", "steer" or "rollback"',
});
export type OnBusy = z.infer<typeof onBusy>;
