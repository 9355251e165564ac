import { inputResponseFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedId } from '../protocol/feed-id.ts';
import { inputStatus, inputsPage } from '../protocol/inputs.ts';
import { ackFrame } from '../protocol/server-frames.ts';
import type { Db } from '../store/db.ts';
import { listInputs } from '../store/inputs.ts';
import type { Caller } from './commands.ts';
import type { FeedCommands } from './feed-commands.ts';
import { HttpFault } from './http-exchange.ts';
import { pageQuery, valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { readFrame } from './read-frame.ts';

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
    const query = valid(listQuery, Object.fromEntries(call.query));
    return { status: 200, body: await listInputs(db, { tenant, userId, ...query }) };
  });

  router.post('/v1/inputs/:id', about.answer, async (call, { tenant, userId }) => {
    const frame = readFrame({ ...(await call.body()), type: 'input_response', request_id: call.id });
    if (frame.type !== 'input_response')
      throw new PublicError('processing_error', 'The body became another frame.');
    const caller: Caller = { sessionId: feedId(tenant, userId), userId, via: 'http', address: call.address };
    const done = await feedCommands.input(caller, frame);
    const { disposition, input } = done.ack;
    if (disposition !== 'conflict') return { status: 200, body: done.ack, after: () => done.spread() };
    // The answer that stands may have been written just now: that its time was up.
    done.spread();
    const words = `This question was answered before: ${input?.action} by ${input?.by}. That stands.`;
    throw new HttpFault(409, 'conflict', words, { extensions: { input } });
  });
}
