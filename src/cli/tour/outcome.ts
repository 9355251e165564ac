import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../../client/index.ts';
import { checkExactness } from './exactness.ts';
import { duration } from './narrator.ts';
import type { Gated } from './talk.ts';
import { closedHistory, runLink } from './temporal-run.ts';
import { assertTrue } from './tour-failure.ts';
import { bookedRooms, outboxOf, sentMails, type Visit, waitFor } from './visit.ts';

/** Whom the mail goes to instead. */
const otherPerson = 'ann@example.com';

/** A person changes whom the mail goes to, and approves that. @returns when it was sent, in ms of this process */
export async function approveEdited(visit: Visit, { toolCallId, request }: Gated): Promise<number> {
  const { conversation, narrator } = visit;
  narrator.part(`The approval, with a change: the mail is to go to ${otherPerson}`);
  const at = performance.now();
  const asked = request.arguments as Record<string, Json>;
  const edited = { ...asked, to: otherPerson };
  conversation.send(decisionOn(request, 'tour-3', { arguments: edited }));
  await recorded(visit, 'tour-3');
  narrator.told('ack: the decision is committed', performance.now() - at);
  const resolved = await waitFor(visit, 'tool_approval_resolved', (bound) =>
    conversation.frame('tool_approval_resolved', bound, (frame) => frame.tool_call_id === toolCallId),
  );
  const { arguments: runs, original_arguments: wanted } = resolved;
  assertTrue(isDeepStrictEqual([wanted, runs], [asked, edited]), 'the event does not show both versions');
  narrator.told(`the model asked for  ${JSON.stringify(wanted)}`);
  narrator.told(`what runs            ${JSON.stringify(runs)}`);
  await toolRuns(visit, toolCallId, at, 'in the new worker');
  return at;
}

/** The call starts and is done. */
async function toolRuns(visit: Visit, toolCallId: string, since: number, where: string): Promise<void> {
  const { conversation, narrator } = visit;
  const isIt = (frame: { tool_call_id: string }) => frame.tool_call_id === toolCallId;
  await waitFor(visit, 'tool_started', (bound) => conversation.frame('tool_started', bound, isIt));
  narrator.told(`the tool has started, ${where}`, performance.now() - since);
  await toolEnds(visit, toolCallId, since);
}

export async function toolEnds(visit: Visit, toolCallId: string, since: number): Promise<void> {
  const { conversation, narrator } = visit;
  const isIt = (frame: { tool_call_id: string }) => frame.tool_call_id === toolCallId;
  const result = await waitFor(visit, 'tool_result', (bound) =>
    conversation.frame('tool_result', bound, isIt),
  );
  assertTrue(
    result.status === 'completed',
    `the tool call ended as ${result.status}: ${result.error?.message}`,
  );
  narrator.told(`the tool is done: ${result.status}`, performance.now() - since);
}

/** Its ack, which says that it was taken. */
export async function recorded(visit: Visit, id: string): Promise<void> {
  const ack = await waitFor(visit, `the ack of ${id}`, (bound) =>
    visit.conversation.frame('ack', bound, (frame) => frame.id === id),
  );
  assertTrue(ack.disposition === 'recorded', `what was said was not recorded but ${ack.disposition}`);
}

/** An approval of exactly what was shown, or of what is to run instead. */
export function decisionOn(request: Gated['request'], id: string, edited: { arguments?: Json } = {}): object {
  const { tool_call_id, arguments_hash, tool_hash } = request;
  return { type: 'tool_approval', id, tool_call_id, approved: true, arguments_hash, tool_hash, ...edited };
}

export async function turnEnds(visit: Visit, turnId: string, since: number): Promise<void> {
  const { conversation, narrator } = visit;
  const end = await waitFor(visit, 'turn_end', (bound) =>
    conversation.frame('turn_end', bound, (frame) => frame.turn_id === turnId),
  );
  narrator.endOfText();
  assertTrue(end.status === 'completed', `the turn ended as ${end.status}: ${end.error?.message}`);
  narrator.told(`turn ${end.status}`, performance.now() - since);
}

/** The proof that nothing was lost or doubled. */
export async function finish(
  visit: Visit,
  { gated, room, downMs }: { gated: Gated; room: Gated; downMs: number },
): Promise<void> {
  const { conversation, narrator, api, sessionId, info } = visit;
  narrator.part('What is true now');
  const mails = sentMails(visit);
  assertTrue(mails.length === 1, `the outbox holds ${mails.length} mails instead of 1`);
  assertTrue(mails[0]?.id === gated.toolCallId, 'the mail in the outbox is not that of the approved call');
  narrator.told(`in ${outboxOf(visit)}, once:`);
  for (const line of mails[0]?.text.split('\n') ?? []) narrator.told(`    ${line}`);
  assertTrue(mails[0]?.text.includes(`\nTo: ${otherPerson}\n`) === true, 'the mail went to somebody else');
  const bookings = bookedRooms(visit);
  assertTrue(bookings.length === 1, `${bookings.length} rooms are booked instead of 1`);
  assertTrue(
    bookings[0]?.includes(`Id: ${room.toolCallId}\n`) === true,
    'the booking is not that of the call',
  );
  narrator.told(`one room is booked: ${bookings[0]?.trim().split('\n').slice(1).join(', ')}`);
  const exact = await checkExactness(conversation, api, sessionId);
  narrator.told(
    `the client's text is the stored text: ${exact.answers} answers, ${exact.characters} characters`,
  );
  narrator.told(`${exact.events} events over two connections: none doubled, none missing`);
  const { run } = gated;
  const events = await waitFor(visit, 'the end of the run', (bound) => closedHistory(info, run, bound));
  narrator.told(
    `one Temporal run carried the turn across ${duration(downMs)} without a worker: ended, ${events} history events`,
  );
  narrator.told(runLink(info, run));
}
