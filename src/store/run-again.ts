import { approversInWords, mayDecide, neededWith, termsOf } from '../gate/approvers.ts';
import { PublicError } from '../protocol/errors.ts';
import type { Tx } from './db.ts';
import { findGate } from './gate-rows.ts';

/**
 * Sending a lost call once more is another effect, so whoever says it must be somebody who alone could approve the call.
 * @throws PublicError `forbidden`, with what they can do instead
 */
export async function checkRunAgain(
  tx: Tx,
  who: { sessionId: string; toolCallId: string; userId: string },
): Promise<void> {
  const row = await findGate(tx, who);
  if (!row?.role || row.terms === null) return;
  const gate = { terms: termsOf(row), level: row.level, requesterId: row.requester_id };
  const person = { userId: who.userId, role: row.role };
  const needed = neededWith(gate, [person]);
  const instead = 'Say "happened" or "did_not_happen"; the model can ask for the call anew.';
  if (needed > 1) {
    throw new PublicError('forbidden', `This call needs ${needed} people each time that it runs. ${instead}`);
  }
  if (mayDecide(gate, person)) return;
  const words = `The rule "${gate.terms.rule}" lets ${approversInWords(gate)} say that this call is to run. ${instead}`;
  throw new PublicError('forbidden', words);
}
