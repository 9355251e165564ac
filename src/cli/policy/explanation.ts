import { shownJson } from '../../client/index.ts';
import type { Approvers, GateLevel, GateTerms } from '../../protocol/gate-terms.ts';
import type { PolicyCall } from '../../tools/policy-call.ts';
import { type ExplainedCheck, type ExplainedRule, explainPolicy } from '../../tools/policy-explain.ts';
import type { Policy } from '../../tools/policy-file.ts';

const shownChars = 200;

/**
 * For a person: what a policy says to a call, by which rule, and what each rule found.
 * @param isAsked what is known of the tool is what its server said
 */
export function explanationLines(
  file: string,
  policy: Policy,
  call: PolicyCall,
  { isAsked }: { isAsked: boolean },
): string[] {
  const { decision, rules } = explainPolicy(policy, call);
  const decides = rules.find(({ rule }) => rule.id === decision.rule);
  const at = decides?.rule.line ? ` (${file}:${decides.rule.line})` : '';
  const { toolName, requester, agent, tenant } = call;
  const who = `${requester.id} (${requester.role ?? 'who takes no part'})`;
  return [
    `${decision.gate}, by ${decides === undefined ? '' : 'the rule '}${decision.rule}${at}: ${toolName} for ${who}, agent ${agent}, tenant ${tenant}`,
    `  reason: ${decision.reason}`,
    ...(decision.terms === null ? [] : termsLines(decision.terms)),
    '',
    ...factLines(policy, call, isAsked),
    '',
    ...(call.tool === undefined && decides === undefined ? [] : rules.flatMap(ruleLines)),
  ];
}

function factLines(policy: Policy, { tool }: PolicyCall, isAsked: boolean): string[] {
  if (tool === undefined) return ['  The tool is not there.'];
  const { readOnlyHint, idempotentHint, destructiveHint } = tool;
  const said = [
    readOnlyHint ? 'read-only' : 'not read-only',
    idempotentHint ? 'idempotent' : 'not idempotent',
    readOnlyHint || destructiveHint === false ? 'not destructive' : 'destructive',
  ].join(', ');
  const isTrusted = policy.trustedServers.has(tool.server);
  if (!isAsked) {
    const belief = isTrusted
      ? 'trusted, so this would be believed'
      : 'not trusted, so this would not be believed';
    return [
      `  The tool is taken for ${said}; its server ${tool.server} was not asked, and is ${belief} of it.`,
    ];
  }
  const belief = isTrusted ? 'trusted, so this is believed' : 'not trusted, so this is not believed';
  return [`  The tool is ${said}; its server ${tool.server} is ${belief}.`];
}

function ruleLines({ rule, outcome, checks }: ExplainedRule): string[] {
  const where = rule.line === null ? '' : ` (line ${rule.line})`;
  const none = checks.length === 0 ? ['      it fits every call'] : [];
  return [
    `  ${outcome}: ${rule.id}, ${rule.decide}${where}`,
    ...none,
    ...checks.map((check) => checkLine(check, rule.decide)),
  ];
}

const marks = { yes: '+', no: '-', unclear: '?' };

function checkLine({ field, wants, found, fits }: ExplainedCheck, decide: string): string {
  const counts = decide === 'allow' ? 'does not fit' : 'fits';
  const unclear =
    fits === 'unclear' ? `; this is unclear, so for a rule that says ${decide} it ${counts}` : '';
  const is = field.startsWith('arguments') ? shownValue(found) : shown(found);
  return `      ${marks[fits]} ${field}: wants ${shown(wants)}, is ${is}${unclear}`;
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  return shortened(typeof value === 'string' ? value : JSON.stringify(value));
}

/** As JSON: a text of digits is not a number, and null is not nothing. */
function shownValue(value: unknown): string {
  return value === undefined ? 'missing' : shortened(shownJson(value));
}

function shortened(text: string): string {
  return text.length > shownChars ? `${text.slice(0, shownChars)}…` : text;
}

function termsLines({ levels, remember }: GateTerms): string[] {
  const scope = { once: 'no: it is asked each time', session: 'for the session', always: 'for good' }[
    remember
  ];
  return [
    ...levels.map((level, index) => `  ${index === 0 ? 'asked first' : 'then also'}: ${levelText(level)}`),
    `  when nobody decides in time: rejected`,
    `  may be remembered: ${scope}`,
  ];
}

function levelText({ approvers, needed, timeoutMs, remindEveryMs }: GateLevel): string {
  const time = timeoutMs === null ? 'for as long as the session says' : `for ${durationText(timeoutMs)}`;
  const reminders = remindEveryMs === null ? '' : `, reminded every ${durationText(remindEveryMs)}`;
  return `${approversText(approvers)}; ${needed} of them, ${time}${reminders}`;
}

function approversText({ roles, users, requester }: Approvers): string {
  const named = [...(roles.length > 0 ? [`whoever is ${roles.join(' or ')}`] : []), ...users];
  return `${named.join(', ')}${requester ? '' : ', but not who asked for it'}`;
}

function durationText(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const;
  const [name, unit] = units.find(([, size]) => ms % size === 0) ?? ['s', 1_000];
  return `${ms / unit} ${name}`;
}
