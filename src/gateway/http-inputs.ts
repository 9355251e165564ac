import { inputResponseFrame } from '../protocol/client-frames.ts';
import { inputStatus, inputsPage } from '../protocol/inputs.ts';
import { ackFrame } from '../protocol/live-frames.ts';
import type { Db } from '../store/db.ts';
import { listInputs } from '../store/inputs.ts';
import type { FeedCommands } from './feed-commands.ts';
import { feedCallerOf } from './http-access.ts';
import { HttpFault } from './http-answer.ts';
import { pageQuery, readQuery } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { bodyAs } from './read-frame.ts';

const listQuery = pageQuery.extend({ status: inputStatus.default('pending') });

const about = {
  list: {
    summary: 'What waits, or waited, for your answer in all your sessions, and where your feed is.',
    query: listQuery,
    answers: { 200: inputsPage },
  },
  answer: {
    summary: 'Answers a question; answering the same again gets the same.',
    body: inputResponseFrame.omit({ type: true, request_id: true }),
    answers: { 200: ackFrame },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/inputs`: the questions that people are asked besides approvals, and their answers. */
export function serveInputs(router: HttpRouter, deps: { db: Db; feedCommands: FeedCommands }): void {
  const { db, feedCommands } = deps;

  router.get('/v1/inputs', about.list, async (call, { tenant, userId }) => {
    const query = readQuery(listQuery, call);
    return { status: 200, body: await listInputs(db, { tenant, userId, ...query }) };
  });

  router.post('/v1/inputs/:id', about.answer, async (call, identity) => {
    const frame = bodyAs('input_response', { ...(await call.body()), request_id: call.id });
    const done = await feedCommands.input(feedCallerOf(call, identity), frame);
    const { disposition, input } = done.ack;
    if (disposition !== 'conflict') return { status: 200, body: done.ack, after: () => done.spread() };
    // The answer that stands may have been written just now: that its time was up.
    done.spread();
    const words = `This question was answered before: ${input?.action} by ${input?.by}. That stands.`;
    throw new HttpFault(409, 'conflict', words, { extensions: { input } });
  });
}
