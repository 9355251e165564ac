import { globMatches } from './glob.ts';
import { pointerKeys, valueAt } from './json-pointer.ts';
import { type PolicyCall, serverOf } from './policy-call.ts';
import { conditionText, toValueTest } from './policy-condition.ts';
import type { RuleSource } from './policy-schema.ts';
import { allOf, type Truth, truth } from './policy-truth.ts';
import type { ToolDescriptor } from './port.ts';

/** One thing that a rule wants of a call. */
export interface Matcher {
  /** As the file names it. */
  field: string;
  wants: unknown;
  test(call: PolicyCall): Truth;
  /** What the call has there. */
  found(call: PolicyCall): unknown;
}

/** Everything that a rule wants; of a rule that wants nothing, none: it fits every call. */
export function toMatchers(rule: RuleSource, trustedServers: ReadonlySet<string>): Matcher[] {
  const oneOf = <T>(field: string, wants: T[] | undefined, found: (call: PolicyCall) => T | null) =>
    wants === undefined
      ? []
      : [{ field, wants, found, test: (call: PolicyCall) => among(wants, found(call)) }];
  return [
    ...toolMatcher(rule.tool),
    ...oneOf('server', rule.server, serverOf),
    ...annotationMatchers(rule.annotations, trustedServers),
    ...oneOf('user', rule.user, (call) => call.requester.id),
    ...oneOf('role', rule.role, (call) => call.requester.role),
    ...oneOf('agent', rule.agent, (call) => call.agent),
    ...oneOf('tenant', rule.tenant, (call) => call.tenant),
    ...argumentMatchers(rule.arguments),
  ];
}

/** Whether a call is as all of them want it. One that fails is unclear: it must never open a gate. */
export function testAll(matchers: readonly Matcher[], call: PolicyCall): Truth {
  let whole: Truth = 'yes';
  for (const matcher of matchers) {
    const one = testOne(matcher, call);
    if (one === 'no') return 'no';
    whole = allOf([whole, one]);
  }
  return whole;
}

export function testOne(matcher: Matcher, call: PolicyCall): Truth {
  try {
    return matcher.test(call);
  } catch {
    return 'unclear';
  }
}

function among<T>(wanted: T[], found: T | null): Truth {
  return found === null ? 'unclear' : truth(wanted.includes(found));
}

function toolMatcher(patterns: string[] | undefined): Matcher[] {
  if (patterns === undefined) return [];
  const fits = (name: string) => truth(patterns.some((pattern) => toolMatches(pattern, name)));
  const found = (call: PolicyCall) => call.toolName;
  return [{ field: 'tool', wants: patterns, found, test: (call) => fits(found(call)) }];
}

function toolMatches(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  const [server, tool] = split(pattern);
  const [itsServer, itsTool] = split(name);
  return (server === '*' || server === itsServer) && globMatches(tool, itsTool);
}

/** Names of servers hold no dots; names of tools may. */
function split(name: string): [string, string] {
  const dot = name.indexOf('.');
  return dot < 0 ? ['', name] : [name.slice(0, dot), name.slice(dot + 1)];
}

/** What a tool's annotations say. Of a server that is not trusted, what MCP says of a tool without any. */
export function believed(trustedServers: ReadonlySet<string>, tool: ToolDescriptor | undefined) {
  if (tool === undefined || !trustedServers.has(tool.server)) {
    return { read_only: false, idempotent: false, destructive: true };
  }
  const { readOnlyHint, idempotentHint, destructiveHint } = tool;
  return {
    read_only: readOnlyHint,
    idempotent: idempotentHint,
    destructive: !readOnlyHint && destructiveHint !== false,
  };
}

function annotationMatchers(
  wanted: RuleSource['annotations'],
  trustedServers: ReadonlySet<string>,
): Matcher[] {
  return Object.entries(wanted ?? {}).flatMap(([key, wants]) => {
    const found = (call: PolicyCall) =>
      believed(trustedServers, call.tool)[key as keyof ReturnType<typeof believed>];
    return wants === undefined
      ? []
      : [
          {
            field: `annotations.${key}`,
            wants,
            found,
            test: (call: PolicyCall) => truth(found(call) === wants),
          },
        ];
  });
}

function argumentMatchers(wanted: RuleSource['arguments']): Matcher[] {
  return Object.entries(wanted ?? {}).map(([pointer, condition]) => {
    const keys = pointerKeys(pointer);
    const found = (call: PolicyCall) => valueAt(call.arguments, keys);
    const test = toValueTest(condition);
    return {
      field: `arguments ${pointer}`,
      wants: conditionText(condition),
      found,
      test: (call) => test(found(call)),
    };
  });
}
