import type { EventFrame } from '../../protocol/server-frames.ts';
import { type Run, waitingTools } from './temporal-run.ts';
import { assertTrue } from './tour-failure.ts';
import { sentMails, type Visit, waitFor } from './visit.ts';

const question = 'think about durable execution';
const task = 'send a mail to bob@example.com saying lunch at noon?';

/** A plain turn, its deltas shown as they come. */
export async function stream(visit: Visit): Promise<void> {
  const { conversation, narrator } = visit;
  narrator.part(`A streamed answer: "${question}" (a | ends each delta)`);
  const asked = performance.now();
  conversation.send({ type: 'message', id: 'tour-1', content: question });
  const ack = await waitFor(visit, 'the ack', (bound) => conversation.frame('ack', bound));
  narrator.told('ack: the message and its turn are committed', performance.now() - asked);
  await waitFor(visit, 'the first delta', (bound) => conversation.frame('thought_delta', bound));
  narrator.told('the first delta of the reasoning (not shown here)', performance.now() - asked);
  const end = await waitFor(visit, 'turn_end', (bound) =>
    conversation.frame('turn_end', bound, (frame) => frame.turn_id === ack.turn_id),
  );
  narrator.endOfText();
  assertTrue(end.status === 'completed', `the first turn ended as ${end.status}: ${end.error?.message}`);
  narrator.told(`turn ${end.status}, ${conversation.deltas} deltas`, performance.now() - asked);
}

/** A tool call that waits, as it was asked about, and the run that waits for it. */
export interface Gated {
  toolCallId: string;
  turnId: string;
  run: Run;
  request: Extract<EventFrame, { type: 'tool_approval_request' }>;
}

/** A turn that comes to a gate; ends when Temporal too shows it waiting. */
export async function askForTool(visit: Visit): Promise<Gated> {
  const { narrator, info } = visit;
  narrator.part(`Something that needs a person's approval: "${task}"`);
  const asked = performance.now();
  const gated = await comeToGate(visit, 'tour-2', task);
  assertTrue(sentMails(visit).length === 0, 'the mail was sent before anybody approved it');
  narrator.told('the outbox is empty: nothing was sent');
  const tools = await waitFor(visit, 'the waiting run in Temporal', (bound) =>
    waitingTools(info, gated.run, bound),
  );
  narrator.told(`Temporal shows the run as waiting for ${tools.join(', ')}`, performance.now() - asked);
  return gated;
}

/** Says something that comes to a gate. */
export async function comeToGate(visit: Visit, id: string, content: string): Promise<Gated> {
  const { conversation, narrator } = visit;
  const asked = performance.now();
  conversation.send({ type: 'message', id, content });
  const ack = await waitFor(visit, 'the ack', (bound) =>
    conversation.frame('ack', bound, (frame) => frame.id === id),
  );
  const { turn_id: turnId = '' } = ack;
  const isOfTurn = (frame: { turn_id?: string | undefined }) => frame.turn_id === turnId;
  const started = await waitFor(visit, 'turn_started', (bound) =>
    conversation.frame('turn_started', bound, isOfTurn),
  );
  const request = await waitFor(visit, 'the approval request', (bound) =>
    conversation.frame('tool_approval_request', bound, isOfTurn),
  );
  narrator.endOfText();
  narrator.told(`${request.tool} ${JSON.stringify(request.arguments)}`);
  narrator.told(`waits for a person: ${request.reason}`, performance.now() - asked);
  const run = { workflowId: started.workflow_id, runId: started.run_id };
  return { toolCallId: request.tool_call_id, turnId, run, request };
}
