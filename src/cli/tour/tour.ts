import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DevInfo } from '../dev/dev-file.ts';
import { Conversation } from './conversation.ts';
import type { DevCopy } from './dev-copy.ts';
import { checkExactness } from './exactness.ts';
import { type GatewayApi, gatewayApi } from './gateway-api.ts';
import { duration, type Narrator } from './narrator.ts';
import { completedHistory, type Run, runLink, waitingTools } from './temporal-run.ts';
import { assertTrue, within } from './tour-failure.ts';

const question = 'think about durable execution';
const task = 'send a mail to bob@example.com saying lunch at noon?';
const killed = ['worker', 'gateway'] as const;
/** Bound of each thing that the tour waits for. */
const stepBoundMs = 30_000;

interface Visit {
  copy: DevCopy;
  info: DevInfo;
  api: GatewayApi;
  sessionId: string;
  conversation: Conversation;
  narrator: Narrator;
  signal: AbortSignal;
}

/**
 * The tour through a copy that is ready: talk, gate, kill -9, come back, approve, compare.
 * @throws TourFailure at the first thing that is not as it should be
 */
export async function tour(copy: DevCopy, narrator: Narrator, signal: AbortSignal): Promise<void> {
  const visit = await openSession(copy, narrator, signal);
  const { conversation } = visit;
  try {
    await stream(visit);
    const call = await askForTool(visit);
    const downMs = await killBoth(visit);
    await comeBack(visit);
    const approvedAt = await approve(visit, call.toolCallId);
    await finish(visit, { ...call, approvedAt, downMs });
  } finally {
    conversation.end();
  }
}

async function openSession(copy: DevCopy, narrator: Narrator, signal: AbortSignal): Promise<Visit> {
  const info = copy.info();
  const api = gatewayApi(info);
  narrator.part('A session and a connection');
  const began = performance.now();
  const session = await api.createSession('The tour');
  const conversation = new Conversation({
    address: `${info.ws}/v1/sessions/${session.id}/ws`,
    token: info.token,
    onDelta: (delta) => {
      if (delta.type === 'stream_delta') narrator.delta(delta.delta);
    },
  });
  const visit = { copy, info, api, sessionId: session.id, conversation, narrator, signal };
  const welcome = await waitFor(visit, 'welcome', (bound) => conversation.connect(bound));
  narrator.told(`session ${session.id}`);
  narrator.told(`welcome, ${welcome.user.name}: ${welcome.protocol}`, performance.now() - began);
  return visit;
}

async function stream(visit: Visit): Promise<void> {
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

interface Gated {
  toolCallId: string;
  turnId: string;
  run: Run;
}

async function askForTool(visit: Visit): Promise<Gated> {
  const { conversation, narrator, info } = visit;
  narrator.part(`Something that needs a person's approval: "${task}"`);
  const asked = performance.now();
  conversation.send({ type: 'message', id: 'tour-2', content: task });
  const ack = await waitFor(visit, 'the ack', (bound) =>
    conversation.frame('ack', bound, (frame) => frame.id === 'tour-2'),
  );
  const { turn_id: turnId = '' } = ack;
  const started = await waitFor(visit, 'turn_started', (bound) =>
    conversation.frame('turn_started', bound, (frame) => frame.turn_id === turnId),
  );
  const request = await waitFor(visit, 'the approval request', (bound) =>
    conversation.frame('tool_approval_request', bound),
  );
  narrator.endOfText();
  narrator.told(`${request.tool} ${JSON.stringify(request.arguments)}`);
  narrator.told(`waits for a person: ${request.reason}`, performance.now() - asked);
  assertTrue(sentMails(visit).length === 0, 'the mail was sent before anybody approved it');
  narrator.told('the outbox is empty: nothing was sent');
  const run = { workflowId: started.workflow_id, runId: started.run_id };
  const tools = await waitFor(visit, 'the waiting run in Temporal', (bound) =>
    waitingTools(info, run, bound),
  );
  narrator.told(`Temporal shows the run as waiting for ${tools.join(', ')}`, performance.now() - asked);
  return { toolCallId: request.tool_call_id, turnId, run };
}

/** @returns how long there was no worker or no gateway, in ms */
async function killBoth(visit: Visit): Promise<number> {
  const { copy, conversation, narrator, signal } = visit;
  narrator.part('kill -9 of the worker and the gateway, while the approval is pending');
  const before = copy.info().processes;
  const backs = killed.map((role) => {
    const isBack = (line: string) => line.startsWith(`${role} is back`);
    return copy.line(isBack, signal);
  });
  const at = performance.now();
  for (const role of killed) {
    const pid = before[role];
    assertTrue(pid !== undefined, `dev.json names no process of the ${role}`);
    process.kill(pid, 'SIGKILL');
    narrator.told(`kill -9 ${pid}  (${role})`);
  }
  const code = await waitFor(visit, 'the end of the connection', (bound) => conversation.closed(bound));
  narrator.told(`the client's connection is gone (close code ${code})`);
  await waitFor(visit, 'the worker and the gateway to be back', () => Promise.all(backs));
  const downMs = performance.now() - at;
  const after = copy.info().processes;
  assertTrue(
    killed.every((role) => after[role] !== undefined && after[role] !== before[role]),
    'dev.json does not name new processes',
  );
  narrator.told('both are back, as new processes', downMs);
  return downMs;
}

async function comeBack(visit: Visit): Promise<void> {
  const { conversation, narrator } = visit;
  narrator.part(`Back with last_seq=${conversation.lastSeq}`);
  const began = performance.now();
  const had = conversation.lastSeq;
  const welcome = await waitFor(visit, 'welcome', (bound) => conversation.connect(bound));
  narrator.told(
    `welcome: the session is at seq ${welcome.last_seq}, the client had ${had}`,
    performance.now() - began,
  );
}

async function approve(visit: Visit, toolCallId: string): Promise<number> {
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

async function finish(visit: Visit, gated: Gated & { approvedAt: number; downMs: number }): Promise<void> {
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

function outboxOf(visit: Visit): string {
  return join(visit.copy.data, 'office', 'outbox.txt');
}

/** The mails that have really been sent: what the tool has appended to its file. */
function sentMails(visit: Visit): { id: string; text: string }[] {
  const file = outboxOf(visit);
  if (!existsSync(file)) return [];
  const mails = readFileSync(file, 'utf8').split('\n----------\n').slice(0, -1);
  return mails.map((text) => ({ id: /^Id: (.*)$/m.exec(text)?.[1] ?? '', text: text.trim() }));
}

function waitFor<T>(visit: Visit, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return within(work, { ms: stepBoundMs, signal: visit.signal, otherwise: `${what} did not come` });
}
