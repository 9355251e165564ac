import { isDeepStrictEqual } from 'node:util';
import type { ApprovalDetails, ApprovalStatus, ApprovalsPage } from '../../protocol/approvals.ts';
import type { RememberScope } from '../../protocol/client-frames.ts';
import type { AckFrame } from '../../protocol/live-frames.ts';
import { approvalLines, approvalText, decisionText } from './approval-text.ts';
import type { InboxDeps, OutputOptions } from './deps.ts';
import { difference } from './difference.ts';
import { editedInEditor } from './editor.ts';
import { CommandFailure } from './failure.ts';
import { jsonArgument } from './json-argument.ts';
import { type PageOptions, printPage } from './page.ts';
import { confirm } from './terminal.ts';
import { safe, sortedJson } from './words.ts';

export interface DecideOptions extends OutputOptions {
  reason?: string;
  remember?: RememberScope;
  /** Of what was shown before; without them, what waits now is meant. */
  hash?: string;
  round?: string;
  yes?: boolean;
}

const path = (id: string) => `/v1/approvals/${encodeURIComponent(id)}`;

export function listApprovals(
  deps: InboxDeps,
  options: PageOptions & { status: ApprovalStatus },
): Promise<void> {
  return printPage(deps, options, {
    path: '/v1/approvals',
    itemsOf: ({ approvals }: ApprovalsPage) => approvals,
    textOf: approvalLines,
    none: options.status === 'pending' ? 'Nothing waits for your approval.' : 'Nothing was decided yet.',
  });
}

export async function showApproval(deps: InboxDeps, id: string, options: OutputOptions): Promise<void> {
  const details = await read(deps, id);
  deps.console.print(options.json ? JSON.stringify(details) : approvalText(details));
}

function read({ ask }: InboxDeps, id: string): Promise<ApprovalDetails> {
  return ask<ApprovalDetails>('GET', path(id));
}

/** Approves or rejects. A person at a terminal is shown what, and asked, unless they say `--yes`. */
export async function decideApproval(
  deps: InboxDeps,
  id: string,
  options: DecideOptions & { approved: boolean },
): Promise<void> {
  const details = await read(deps, id);
  const { approved, reason, remember } = options;
  if (deps.console.isInteractive && !options.yes && details.decision === null) {
    deps.console.tell(approvalText(details));
    const isSure = await confirm(deps.console, approved ? 'Approve this?' : 'Reject this?');
    if (!isSure) throw new CommandFailure('left', 'Nothing was decided.');
  }
  await send(deps, details, { approved, reason, remember }, options);
}

/** Approves with other arguments, which come from the option or from the person's editor. */
export async function editApproval(
  deps: InboxDeps,
  id: string,
  options: DecideOptions & { arguments?: string },
): Promise<void> {
  const { console } = deps;
  const details = await read(deps, id);
  if (details.decision !== null) throw decided(details.decision);
  const edited =
    options.arguments === undefined
      ? await editedInEditor(console, details.arguments, deps.env)
      : jsonArgument('--arguments', options.arguments);
  if (isDeepStrictEqual(edited, details.arguments)) {
    throw new CommandFailure('left', 'These are the arguments that it has. Nothing was decided.');
  }
  console.tell(`${safe(details.tool)}\n${difference(sortedJson(details.arguments), sortedJson(edited))}`);
  if (!options.yes) {
    if (!console.isInteractive) {
      throw new CommandFailure('failed', 'There is nobody to ask whether this is meant: say --yes.');
    }
    if (!(await confirm(console, 'Approve it with these arguments?'))) {
      throw new CommandFailure('left', 'Nothing was decided.');
    }
  }
  const { reason, remember } = options;
  await send(deps, details, { approved: true, arguments: edited, reason, remember }, options);
}

/** With the hashes and the round of what was read, so that the decision is about exactly that. */
async function send(
  { ask, console }: InboxDeps,
  details: ApprovalDetails,
  decision: {
    approved: boolean;
    arguments?: Record<string, unknown>;
    reason: string | undefined;
    remember: RememberScope | undefined;
  },
  options: DecideOptions,
): Promise<void> {
  const body = {
    ...decision,
    arguments_hash: options.hash ?? details.arguments_hash,
    tool_hash: details.tool_hash,
    round: options.round === undefined ? details.round : Number(options.round),
  };
  const ack = await ask<AckFrame>('POST', path(details.tool_call_id), body);
  console.print(options.json ? JSON.stringify(ack) : ackText(ack));
}

function ackText({ decision, approvals, needed }: AckFrame): string {
  if (decision) return `It is ${decisionText(decision)}.`;
  return `Your approval is recorded: ${approvals ?? 1} of ${needed ?? 1} that are needed.`;
}

export function decided(decision: NonNullable<ApprovalDetails['decision']>): CommandFailure {
  return new CommandFailure('conflict', `It is decided already: ${decisionText(decision)}. That stands.`);
}
