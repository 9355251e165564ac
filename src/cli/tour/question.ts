import { kill } from './crash.ts';
import { decisionOn, recorded, toolEnds, turnEnds } from './outcome.ts';
import { comeToGate, type Gated } from './talk.ts';
import { assertTrue } from './tour-failure.ts';
import { bookedRooms, type Visit, waitFor } from './visit.ts';

const task = 'book a room for the team lunch tomorrow';
const answer = { room: 'Birch', coffee: true };

/** A tool asks a person in the middle of its call, the worker dies, and the answer arrives all the same. */
export async function answerTool(visit: Visit): Promise<Gated> {
  const { conversation, narrator } = visit;
  narrator.part(`A tool that asks: "${task}"`);
  const gated = await comeToGate(visit, 'tour-4', task);
  const approved = performance.now();
  conversation.send(decisionOn(gated.request, 'tour-5'));
  await recorded(visit, 'tour-5');
  const question = await waitFor(visit, 'the question of the tool', (bound) =>
    conversation.frame('input_request', bound, (frame) => frame.tool_call_id === gated.toolCallId),
  );
  narrator.told(`approved; and the tool asks: ${question.message}`, performance.now() - approved);
  assertTrue(bookedRooms(visit).length === 0, 'a room was booked before anybody chose one');

  narrator.part('kill -9 of the worker, while the tool waits for the answer');
  await kill(visit, ['worker']);
  const answered = performance.now();
  const { request_id } = question;
  conversation.send({ type: 'input_response', id: 'tour-6', request_id, action: 'accept', content: answer });
  await recorded(visit, 'tour-6');
  narrator.told(`answered: ${JSON.stringify(answer)}`, performance.now() - answered);
  await toolEnds(visit, gated.toolCallId, answered);
  await turnEnds(visit, gated.turnId, answered);
  return gated;
}
