import { coversRule } from './policy-coverage.ts';
import type { Policy, PolicyRemark, PolicyRule } from './policy-file.ts';

/** What the rest of the configuration has; undefined where that is not known. */
export interface KnownNames {
  servers?: ReadonlySet<string> | undefined;
  agents?: ReadonlySet<string> | undefined;
}

/** What is in order but hardly meant. */
export function policyWarnings(policy: Policy, known: KnownNames = {}): PolicyRemark[] {
  const { rules, trustedServers } = policy;
  return [
    ...unknownNames('trusted_servers', [...trustedServers], known.servers).map((remark) => ({
      ...remark,
      line: null,
      rule: null,
    })),
    ...rules.flatMap((rule, index) =>
      [
        ...unreachable(rule, rules.slice(0, index)),
        ...opensAll(rule),
        ...looseTexts(rule),
        ...neverBelieved(rule, trustedServers),
        ...unknownServers(rule, known),
        ...unknownNames('agent', rule.source.agent, known.agents),
      ].map((remark) => ({ ...remark, line: rule.line, rule: `"${rule.id}"` })),
    ),
  ];
}

type Remark = Pick<PolicyRemark, 'field' | 'message'>;

function unreachable(rule: PolicyRule, before: PolicyRule[]): Remark[] {
  const first = before.find((other) => coversRule(other, rule));
  if (first === undefined) return [];
  const message = `can never decide, because every call that it fits is decided by the rule "${first.id}" before it`;
  return [{ field: 'the rule', message }];
}

function opensAll(rule: PolicyRule): Remark[] {
  if (rule.decide !== 'allow' || rule.matchers.length > 0) return [];
  return [
    { field: 'decide', message: 'lets every call run that no rule before it decides, without a person' },
  ];
}

/** A rule that allows `@example.com` at the end of a text allows a list of addresses of which that is the last. */
function looseTexts({ decide, source }: PolicyRule): Remark[] {
  if (decide !== 'allow') return [];
  const message =
    'lets a call run by a part of a text, whatever stands beside it; `matches` with ^ and $ looks at all of it';
  const loose = Object.entries(source.arguments ?? {}).filter(([, wanted]) => isLoose(wanted));
  return loose.map(([pointer]) => ({ field: `arguments.${pointer}`, message }));
}

type Wanted = { matches?: { source: string } | undefined; ends_with?: string | undefined };

function isLoose(wanted: Wanted & { any?: Wanted | undefined; every?: Wanted | undefined }): boolean {
  return [wanted, wanted.any, wanted.every].some((one) => {
    const { source = '^$' } = one?.matches ?? {};
    return one?.ends_with !== undefined || !/^(\(\?i\))?\^/.test(source) || !/(?<!\\)\$$/.test(source);
  });
}

/** Of a server that is not trusted no tool is read-only or idempotent, and every tool is destructive. */
function neverBelieved(rule: PolicyRule, trusted: ReadonlySet<string>): Remark[] {
  const { annotations = {}, server, tool } = rule.source;
  const { read_only, idempotent, destructive } = annotations;
  if (read_only !== true && idempotent !== true && destructive !== false) return [];
  const named = server ?? serversOfPatterns(tool);
  const servers = named.length > 0 ? named : [...trusted];
  if (servers.some((name) => trusted.has(name))) return [];
  const whose = named.length > 0 ? named.join(', ') : 'any server';
  const message = `can never fit, because what ${whose} says of its tools is not believed; see trusted_servers`;
  return [{ field: 'annotations', message }];
}

function unknownNames(field: string, names: string[] = [], known?: ReadonlySet<string>): Remark[] {
  if (known === undefined) return [];
  const kind = field === 'agent' ? 'agent' : 'server';
  return names
    .filter((name) => !known.has(name))
    .map((name) => ({ field, message: `there is no ${kind} "${name}" in the configuration` }));
}

/** To deny what is not there yet is a precaution. */
function unknownServers({ decide, source }: PolicyRule, known: KnownNames): Remark[] {
  if (decide === 'deny') return [];
  return [
    ...unknownNames('server', source.server, known.servers),
    ...unknownNames('tool', serversOfPatterns(source.tool), known.servers),
  ];
}

/** The servers that patterns name; none where one of them means every server. */
function serversOfPatterns(patterns: string[] = []): string[] {
  const servers = patterns.map((pattern) => pattern.split('.', 1)[0] ?? '');
  return servers.includes('*') ? [] : [...new Set(servers)];
}
