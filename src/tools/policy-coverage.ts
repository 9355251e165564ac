import canonicalize from 'canonicalize';
import { globMatches } from './glob.ts';
import type { PolicyRule } from './policy-file.ts';

/**
 * Whether one rule decides every call that another one fits. Says so only where it is sure.
 * @param earlier the rule that is asked first
 */
export function coversRule(earlier: PolicyRule, later: PolicyRule): boolean {
  const [one, other] = [earlier.source, later.source];
  // What is unclear does not fit a rule that allows, so such a call goes on to later rules.
  if (earlier.decide === 'allow' && (one.arguments !== undefined || one.role !== undefined)) return false;
  return (
    coversPatterns(one.tool, other.tool) &&
    coversList(one.server, other.server) &&
    coversList(one.user, other.user) &&
    // Where it is unclear whether a role fits, it does for rules that ask or deny.
    coversList(one.role, other.role) &&
    coversList(one.agent, other.agent) &&
    coversList(one.tenant, other.tenant) &&
    coversFields(one.annotations, other.annotations) &&
    coversFields(one.arguments, other.arguments)
  );
}

function coversList<T>(wide: T[] | undefined, narrow: T[] | undefined): boolean {
  if (wide === undefined) return true;
  return narrow?.every((item) => wide.includes(item)) ?? false;
}

function coversFields(wide: object | undefined, narrow: object | undefined): boolean {
  const fields = new Map(Object.entries(narrow ?? {}));
  return Object.entries(wide ?? {}).every(
    ([key, value]) => fields.has(key) && canonicalize(fields.get(key)) === canonicalize(value),
  );
}

function coversPatterns(wide: string[] | undefined, narrow: string[] | undefined): boolean {
  if (wide === undefined || wide.includes('*')) return true;
  return narrow?.every((pattern) => wide.some((other) => coversPattern(other, pattern))) ?? false;
}

function coversPattern(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  if (narrow === '*') return false;
  const [server, tool] = split(wide);
  const [itsServer, itsTool] = split(narrow);
  if (server !== '*' && server !== itsServer) return false;
  // A `?` of the wider one might stand for a `*` of the narrower one, which is more.
  if (tool.includes('?') && /[*?]/.test(itsTool)) return false;
  return globMatches(tool, itsTool);
}

function split(pattern: string): [string, string] {
  const dot = pattern.indexOf('.');
  return [pattern.slice(0, dot), pattern.slice(dot + 1)];
}
