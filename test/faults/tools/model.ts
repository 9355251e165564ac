import type { ModelCall, Piece } from '../../helpers/scripted-model.ts';
import { type PlannedTurn, serverOf } from './plan.ts';

/** What a user says, so that the model asks for exactly these calls. */
export function askFor(turn: PlannedTurn): string {
  return JSON.stringify(turn.map(({ tool, arguments: args }) => ({ tool, arguments: args })));
}

/** Asks for the calls of the last user's message; with their results it has nothing more to say. */
export function* sayPlan(request: ModelCall): Generator<Piece> {
  if (request.messages.at(-1)?.role === 'tool') return yield 'done';
  const asked = request.messages.findLast((message) => message.role === 'user')?.content;
  const calls = JSON.parse(String(asked)) as Pick<PlannedTurn[number], 'tool' | 'arguments'>[];
  for (const { tool, arguments: args } of calls) {
    yield { toolCall: { name: `${serverOf(tool)}__${tool}`, arguments: args } };
  }
}
