import { checkExactness } from './exactness.ts';
import { duration } from './narrator.ts';
import type { Gated } from './talk.ts';
import { completedHistory, runLink } from './temporal-run.ts';
import { assertTrue } from './tour-failure.ts';
import { outboxOf, sentMails, type Visit, waitFor } from './visit.ts';

/** @returns when it was sent, in ms of this process */
export async function approve(visit: Visit, toolCallId: string): Promise<number> {
  const { conversation, narrator } = visit;
  narrator.part('The approval');
  const at = performance.now();
  conversation.send({ type: 'tool_approval', id: 'tour-3', tool_call_id: toolCallId, approved: true });
  const ack = await waitFor(visit, 'the ack of the approval', (bound) =>
    conversation.frame('ack', bound, (frame) => frame.id === 'tour-3'),
  );
  assertTrue(ack.disposition === 'recorded', `the approval was not recorded but ${ack.disposition}`);
  narrator.told('ack: the decision is committed', performance.now() - at);
  await waitFor(visit, 'tool_started', (bound) => conversation.frame('tool_started', bound));
  narrator.told('the tool has started, in the new worker', performance.now() - at);
  const result = await waitFor(visit, 'tool_result', (bound) => conversation.frame('tool_result', bound));
  assertTrue(result.status === 'completed', `the tool call ended as ${result.status}`);
  narrator.told(`the tool is done: ${result.status}`, performance.now() - at);
  return at;
}

/** The end of the turn, and the proof that nothing was lost or doubled. */
export async function finish(
  visit: Visit,
  gated: Gated & { approvedAt: number; downMs: number },
): Promise<void> {
  const { conversation, narrator, api, sessionId, info } = visit;
  const end = await waitFor(visit, 'turn_end', (bound) =>
    conversation.frame('turn_end', bound, (frame) => frame.turn_id === gated.turnId),
  );
  narrator.endOfText();
  assertTrue(end.status === 'completed', `the turn ended as ${end.status}: ${end.error?.message}`);
  narrator.told(`turn ${end.status}`, performance.now() - gated.approvedAt);

  narrator.part('What is true now');
  const mails = sentMails(visit);
  assertTrue(mails.length === 1, `the outbox holds ${mails.length} mails instead of 1`);
  assertTrue(mails[0]?.id === gated.toolCallId, 'the mail in the outbox is not that of the approved call');
  narrator.told(`in ${outboxOf(visit)}, once:`);
  for (const line of mails[0]?.text.split('\n') ?? []) narrator.told(`    ${line}`);
  const exact = await checkExactness(conversation, api, sessionId);
  narrator.told(
    `the client's text is the stored text: ${exact.answers} answers, ${exact.characters} characters`,
  );
  narrator.told(`${exact.events} events over two connections: none doubled, none missing`);
  const { run } = gated;
  const events = await waitFor(visit, 'the end of the run', (bound) => completedHistory(info, run, bound));
  narrator.told(
    `one Temporal run carried the turn across ${duration(gated.downMs)} without a worker: completed, ${events} history events`,
  );
  narrator.told(runLink(info, run));
}
