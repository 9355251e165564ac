import type { OpenQuestion, StepCall } from '../store/steps.ts';
import { codeBlock, inlineCode } from './markdown.ts';

/** A call that waits at its gate or, where there is a question, for somebody's answer. */
export type Waiting = WaitingGate | WaitingAnswer;

interface WaitingGate {
  call: StepCall;
  /** Milliseconds since 1970. */
  since: number;
  question: null;
}

interface WaitingAnswer {
  call: StepCall;
  since: number;
  question: OpenQuestion;
}

/** A question that comes before a step. */
export interface WaitingTurn {
  since: number;
  question: OpenQuestion;
}

export interface Turn {
  turnId: string;
  userId: string;
}

/** All that stands on the page, bytes; Temporal's own bound for such texts. */
const PAGE_BYTES = 20_000;
/** Kept for the heading and what stands at the end. */
const FRAME_BYTES = 1_000;
/** No section is asked to be shorter: those that do not fit are counted instead. */
const SECTION_BYTES_MIN = 1_200;
/** Of a section, for what is not arguments. */
const FACTS_BYTES = 1_000;
const PEOPLE_SHOWN_MAX = 10;
const NAME_CHARS = 80;
const RULE_CHARS = 64;
const REASON_CHARS = 160;
const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text).length;

/** Who waits for what since when, in Markdown; never longer than {@link PAGE_BYTES}. */
export function describeWaiting(turn: Turn, waiting: (Waiting | WaitingTurn)[]): string {
  if (waiting.length === 0) return `Turn ${inlineCode(turn.turnId)} is running.`;
  const room = PAGE_BYTES - FRAME_BYTES;
  const each = Math.max(SECTION_BYTES_MIN, Math.floor(room / waiting.length));
  const sections: string[] = [];
  let used = 0;
  for (const one of waiting) {
    const section = 'call' in one ? describeCall(one, each) : describeQuestion(one.question, one.since, each);
    used += bytesOf(section) + 2;
    if (used > room) break;
    sections.push(section);
  }
  const left = waiting.length - sections.length;
  return [
    `Turn ${inlineCode(turn.turnId)} of user ${inlineCode(turn.userId, NAME_CHARS)} waits for ${inWords(waiting)}.`,
    ...sections,
    ...(left > 0 ? [`**${left} more**, which the query \`turnState\` tells.`] : []),
    ...howToAnswer(waiting),
  ].join('\n\n');
}

function inWords(waiting: (Waiting | WaitingTurn)[]): string {
  const questions = waiting.filter((one) => one.question !== null).length;
  const approvals = waiting.length - questions;
  const count = (n: number, what: string) => (n > 0 ? [`**${n}** ${what}${n > 1 ? 's' : ''}`] : []);
  return [...count(approvals, 'approval'), ...count(questions, 'answer')].join(' and ');
}

function describeCall({ call, since, question }: Waiting, bytes: number): string {
  if (question !== null) return describeQuestion(question, since, bytes, call);
  const room = Math.max(0, bytes - FACTS_BYTES);
  return [
    `### Approval: ${inlineCode(call.tool, NAME_CHARS)}`,
    `- call: ${inlineCode(call.toolCallId)}`,
    ...times(since, call.expiresAt ?? since + call.timeoutMs),
    ...(call.approvers ? [`- may decide: ${people(call.approvers)}`] : []),
    ...votesOf(call),
    ...(call.level ? [`- escalated: ${call.level === 1 ? 'once' : `${call.level} times`}`] : []),
    ...((call.round ?? 1) > 1 ? [`- asked again: this is round ${call.round}`] : []),
    `- rule: ${inlineCode(call.rule, RULE_CHARS)}, because: ${inlineCode(call.reason, REASON_CHARS)}`,
    '- arguments:',
    '',
    // A character takes up to three bytes, or six where it is written as its number.
    codeBlock(indented(call.arguments), 'json', Math.floor(room / 3)),
  ].join('\n');
}

function describeQuestion(question: OpenQuestion, since: number, bytes: number, call?: StepCall): string {
  const about = call === undefined ? 'of the turn' : `of ${inlineCode(call.tool, NAME_CHARS)}`;
  return [
    `### Question ${about}: ${question.kind}`,
    ...(call === undefined ? [] : [`- call: ${inlineCode(call.toolCallId)}`]),
    `- request: ${inlineCode(question.requestId)}`,
    ...times(since, question.expiresAt),
    ...(question.answerers ? [`- may answer: ${people(question.answerers)}`] : []),
    '- asked:',
    '',
    codeBlock(question.message, 'text', Math.floor(Math.max(0, bytes - FACTS_BYTES) / 3)),
  ].join('\n');
}

function times(since: number, until: number | undefined): string[] {
  const expires = until === undefined ? '' : `, expires: ${new Date(until).toISOString()}`;
  return [`- waiting since: ${new Date(since).toISOString()}${expires}`];
}

function votesOf({ needed = 1, approvedBy = [] }: StepCall): string[] {
  if (needed === 1 && approvedBy.length === 0) return [];
  const so = approvedBy.length > 0 ? `, so far ${approvedBy.length}: ${people(approvedBy)}` : ', so far none';
  return [`- approvals needed: ${needed}${so}`];
}

function people(ids: string[]): string {
  if (ids.length === 0) return 'nobody';
  const shown = ids.slice(0, PEOPLE_SHOWN_MAX).map((id) => inlineCode(id, NAME_CHARS));
  const more = ids.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Easier to read; what was cut is no JSON, and stays as it is. */
function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function howToAnswer(waiting: (Waiting | WaitingTurn)[]): string[] {
  const isGate = waiting.some((one) => one.question === null);
  const isQuestion = waiting.some((one) => one.question !== null);
  return [
    ...(isGate
      ? [
          'To decide from here, send the signal `approval` with `{"tool_call_id": "…", "round": 1, "approved": true}`: the round that the call is in, 1 where none is said.',
        ]
      : []),
    ...(isQuestion ? ['Questions are answered by `POST /v1/inputs/<request>`, not by a signal.'] : []),
  ];
}
