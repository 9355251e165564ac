import type { InputAction } from '../../protocol/frame-parts.ts';
import type { InputStatus, InputsPage, InputView } from '../../protocol/inputs.ts';
import type { AckFrame } from '../../protocol/live-frames.ts';
import { pathOf } from './ask.ts';
import type { InboxDeps, OutputOptions } from './deps.ts';
import { CommandFailure } from './failure.ts';
import { contentOf } from './input-content.ts';
import { type PageOptions, printPage } from './page.ts';
import { agoText, expiryText, longJson, safe } from './words.ts';

const pageSize = '200';
/** Pages that are looked through for one question, of those that wait and of those that are over. */
const maxPages = 10;

export function listInputs(deps: InboxDeps, options: PageOptions & { status: InputStatus }): Promise<void> {
  return printPage(deps, options, {
    path: '/v1/inputs',
    itemsOf: ({ inputs }: InputsPage) => inputs,
    textOf: inputLines,
    none: options.status === 'pending' ? 'Nobody waits for your answer.' : 'Nothing was answered yet.',
  });
}

export async function showInput(deps: InboxDeps, id: string, options: OutputOptions): Promise<void> {
  const input = await find(deps, id);
  deps.console.print(options.json ? JSON.stringify(input) : inputText(input));
}

export interface AnswerOptions extends OutputOptions {
  content?: string;
  set?: string[];
  decline?: boolean;
  cancel?: boolean;
}

/** Answers a question: with content, or that there is none. */
export async function answerInput(deps: InboxDeps, id: string, options: AnswerOptions): Promise<void> {
  const input = await find(deps, id);
  if (input.answer)
    throw new CommandFailure('conflict', `It is answered already: ${answerText(input.answer)}. That stands.`);
  const action: InputAction = options.decline ? 'decline' : options.cancel ? 'cancel' : 'accept';
  const content = action === 'accept' ? contentOf(input.schema, options) : undefined;
  const body = { action, content };
  const ack = await deps.ask<AckFrame>('POST', `/v1/inputs/${encodeURIComponent(id)}`, body);
  const { json } = options;
  deps.console.print(json ? JSON.stringify(ack) : `Answered: ${ack.input ? answerText(ack.input) : action}.`);
}

/** There is no question by its id alone, so it is looked for among those that may be answered. */
async function find({ ask }: InboxDeps, id: string): Promise<InputView> {
  for (const status of ['pending', 'resolved'] as const) {
    let before: string | undefined;
    for (let pages = 0; pages < maxPages; pages += 1) {
      const page = await ask<InputsPage>('GET', pathOf('/v1/inputs', { status, limit: pageSize, before }));
      const found = page.inputs.find(({ request_id }) => request_id === id);
      if (found) return found;
      if (page.next === null) break;
      before = page.next;
    }
  }
  throw new CommandFailure('not_found', `There is no question ${safe(id)} that you may answer.`);
}

function answerText(answer: { action: InputAction; by: string; at: number }): string {
  return `${answer.action} by ${safe(answer.by)} ${agoText(answer.at)}`;
}

function inputLines(input: InputView): string {
  const waits = input.answer ? answerText(input.answer) : expiryText(input.expires_at);
  const about = input.tool === null ? input.kind : `${input.kind} of ${safe(input.tool)}`;
  const where = `${safe(input.asked_by)} in "${safe(input.session_title)}", asked ${agoText(input.requested_at)}`;
  return `${input.request_id}  ${about}  ${where}, ${waits}\n    ${safe(input.message)}`;
}

function inputText(input: InputView): string {
  const { answer } = input;
  return [
    inputLines(input),
    `Answer with: ${longJson(input.schema)}`,
    ...(answer?.content === undefined ? [] : [`Answered: ${longJson(answer.content)}`]),
  ].join('\n');
}
