import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes } from '../protocol/turn-workflow.ts';
import { describeWaiting, type Turn, type Waiting, type WaitingTurn } from './operator-details.ts';

const stateKey = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const userKey = defineSearchAttributeKey(searchAttributes.user, SearchAttributeType.KEYWORD);
const toolKey = defineSearchAttributeKey(searchAttributes.tool, SearchAttributeType.KEYWORD_LIST);
const approverKey = defineSearchAttributeKey(searchAttributes.approver, SearchAttributeType.KEYWORD_LIST);
const sinceKey = defineSearchAttributeKey(searchAttributes.waitingSince, SearchAttributeType.DATETIME);

/** Temporal refuses a word above 255 characters, and a list above 2 KB; what it refuses would hold the run. */
const WORD_CHARS_MAX = 250;
const LIST_BYTES_MAX = 1_800;
const encoder = new TextEncoder();

/** Says to operators, in the list and on the run's page, who waits for what since when. Nothing waits: it says that. */
export function showWaiting(turn: Turn, waiting: (Waiting | WaitingTurn)[]): void {
  const tools = waiting.flatMap((one) => ('call' in one ? [one.call.tool] : []));
  const answerers = waiting.flatMap((one) => {
    const { question } = one;
    return (question === null ? one.call.approvers : question.answerers) ?? [];
  });
  const since = Math.min(...waiting.map((one) => one.since));
  upsertSearchAttributes([
    { key: stateKey, value: stateOf(waiting) },
    { key: userKey, value: turn.userId },
    { key: toolKey, value: fitting(tools) },
    { key: approverKey, value: fitting(answerers) },
    { key: sinceKey, value: waiting.length === 0 ? null : new Date(since) },
  ]);
  describeOnPage(turn, waiting);
}

/** On the run's page only, which costs no write. */
export function describeOnPage(turn: Turn, waiting: (Waiting | WaitingTurn)[]): void {
  setCurrentDetails(describeWaiting(turn, waiting));
}

function stateOf(waiting: (Waiting | WaitingTurn)[]): string {
  if (waiting.length === 0) return 'running';
  return waiting.some((one) => one.question === null) ? 'waiting_approval' : 'waiting_input';
}

/** Each once, as many as Temporal takes. */
function fitting(words: string[]): string[] {
  let bytes = 0;
  return [...new Set(words.map((word) => word.slice(0, WORD_CHARS_MAX)))].filter((word) => {
    bytes += encoder.encode(word).length + 3;
    return bytes <= LIST_BYTES_MAX;
  });
}
