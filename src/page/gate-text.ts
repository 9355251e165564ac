import {
  type ApprovalRequest,
  gateWords,
  type ResolvedInput,
  type SessionSnapshot,
  shownJson,
  type ToolCall,
} from '../client/index.ts';

const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** What people have to know before they decide: why again, who, how many, until when. */
export function requestLines(request: ApprovalRequest): string[] {
  const { needed, approvals, approvers, reminders, level } = request;
  const again =
    request.because === null ? [] : [`Asked again because ${gateWords.askedAgain[request.because]}.`];
  const given = approvals.map(({ by }) => by).join(', ');
  const votes = `${approvals.length} of ${needed} approvals${given === '' ? '' : ` (${given})`}.`;
  const escalated = level > 0 ? [`Escalated ${times(level)}.`] : [];
  const reminded = reminders > 0 ? [`Reminded ${times(reminders)}.`] : [];
  return [
    ...again,
    ...(needed > 1 ? [votes] : []),
    `${approvers.join(', ') || 'Nobody'} may decide, until ${when.format(request.expiresAt)}.`,
    ...escalated,
    ...reminded,
  ];
}

/** Who decided what, in one line. */
export function decisionText({ decision }: ToolCall): string {
  if (!decision) return '';
  const { by, at, reason, remember } = decision;
  const kept = remember === undefined ? '' : gateWords.remembered[remember];
  return `${decision.decision} by ${by}, ${when.format(at)}${kept}${reason ? `: ${reason}` : ''}`;
}

export function answerText({ action, by, at, content }: ResolvedInput): string {
  const said = content === undefined ? '' : `: ${shownJson(content)}`;
  return `${gateWords.answered[action]} by ${by}, ${when.format(at)}${said}`;
}

export function deadlineText(input: SessionSnapshot['inputs'][number]): string {
  return input.expires_at === undefined ? '' : `until ${when.format(input.expires_at)}`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
