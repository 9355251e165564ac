import { approvalDetails, approvalStatus, approvalsPage, grantsPage } from '../protocol/approvals.ts';
import { toolApprovalFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { ackFrame } from '../protocol/live-frames.ts';
import { listApprovals, readApproval } from '../store/approvals.ts';
import type { Db } from '../store/db.ts';
import { listGrants, revokeGrant } from '../store/grants.ts';
import type { FeedCommands } from './feed-commands.ts';
import { feedCallerOf } from './http-access.ts';
import { HttpFault } from './http-answer.ts';
import { pageQuery, readQuery } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { bodyAs } from './read-frame.ts';

const listQuery = pageQuery.extend({ status: approvalStatus.default('pending') });

const about = {
  list: {
    summary: 'What waits, or waited, for your approval in all your sessions, and where your feed is.',
    query: listQuery,
    answers: { 200: approvalsPage },
  },
  show: {
    summary:
      'One approval whole: the tool and its schema, who may decide, what was done to it; also long after.',
    answers: { 200: approvalDetails },
  },
  grants: {
    summary: 'The approvals that are remembered: those that you gave, and those for your calls.',
    query: pageQuery,
    answers: { 200: grantsPage },
  },
  revoke: {
    summary: 'Takes a remembered approval back: from the next call on people are asked again.',
    answers: { 204: null },
  },
  decide: {
    summary: 'Decides a tool call; deciding the same again gets the same answer.',
    body: toolApprovalFrame.omit({ type: true, tool_call_id: true }),
    answers: { 200: ackFrame },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/approvals`: the inbox of whoever may decide, and its decisions. */
export function serveApprovals(router: HttpRouter, deps: { db: Db; feedCommands: FeedCommands }): void {
  const { db, feedCommands } = deps;

  router.get('/v1/approvals', about.list, async (call, { tenant, userId }) => {
    const query = readQuery(listQuery, call);
    return { status: 200, body: await listApprovals(db, { tenant, userId, ...query }) };
  });

  router.get('/v1/approvals/:id', about.show, async (call, { tenant, userId }) => {
    const approval = await readApproval(db, { toolCallId: call.id, tenant, userId });
    if (!approval) throw new PublicError('not_found', 'There is no such tool call for you.');
    return { status: 200, body: approval };
  });

  router.get('/v1/grants', about.grants, async (call, { tenant, userId }) => {
    const query = readQuery(pageQuery, call);
    return { status: 200, body: await listGrants(db, { tenant, userId, ...query }) };
  });

  router.delete('/v1/grants/:id', about.revoke, async (call, { tenant, userId }) => {
    await revokeGrant(db, { tenant, userId, grantId: call.id, via: 'http', address: call.address });
    return { status: 204, body: undefined };
  });

  router.post('/v1/approvals/:id', about.decide, async (call, identity) => {
    const frame = bodyAs('tool_approval', { ...(await call.body()), tool_call_id: call.id });
    const done = await feedCommands.decision(feedCallerOf(call, identity), frame);
    const { disposition, decision } = done.ack;
    if (disposition === 'conflict') {
      const words = `This call was decided before: ${decision?.decision} by ${decision?.by}. That stands.`;
      throw new HttpFault(409, 'conflict', words, { extensions: { decision } });
    }
    return { status: 200, body: done.ack, after: () => done.spread() };
  });
}
