import type { z } from 'zod';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { withDefaultServer } from './policy-bare-names.ts';
import { readDocument } from './policy-document.ts';
import { type Matcher, toMatchers } from './policy-match.ts';
import { ruleFaults } from './policy-rule-faults.ts';
import { fileSchema, type RuleSource, ruleSchema } from './policy-schema.ts';
import { toTerms } from './policy-terms.ts';

/** A larger file is not read. */
export const POLICY_BYTES_MAX = 1024 * 1024;

export interface PolicyRule {
  id: string;
  decide: 'allow' | 'ask' | 'deny';
  /** What its author wants people (and, when refused, the model) to read. */
  reason: string | undefined;
  /** All of them have to fit. */
  matchers: Matcher[];
  /** Of a rule that asks. */
  terms: GateTerms | null;
  source: RuleSource;
  /** Where it begins in the file, from 1. */
  line: number | null;
}

/** A policy file that is in order, ready to be evaluated. */
export interface Policy {
  /** The servers whose word about their own tools is believed. */
  trustedServers: ReadonlySet<string>;
  /** The first that fits a call decides. */
  rules: PolicyRule[];
}

/** Something in the file that a person should look at. */
export interface PolicyRemark {
  /** From 1; null where it lies in no line. */
  line: number | null;
  /** The rule's id in quotes, or its place where it has none. */
  rule: string | null;
  field: string;
  message: string;
}

export type ParsedPolicy = { ok: true; policy: Policy } | { ok: false; faults: PolicyRemark[] };

export interface PolicyReading {
  /** Servers to be trusted besides those that the file names. */
  trustedToo?: readonly string[];
  /** Whose tools are meant by patterns without a server's name; without one they are faults. */
  defaultServer?: string | undefined;
}

/** Reads the text of a policy file; tells every fault at once. */
export function parsePolicy(
  text: string,
  { trustedToo = [], defaultServer }: PolicyReading = {},
): ParsedPolicy {
  const document = readDocument(text);
  if (!document.ok)
    return { ok: false, faults: document.faults.map((fault) => ({ ...ofTheFile, ...fault })) };
  const { value, lineOf } = document;
  const faults: PolicyRemark[] = [];
  const file = fileSchema.safeParse(value ?? {});
  if (!file.success) faults.push(...toFaults(file.error, { path: [], rule: null, lineOf }));
  const written = rulesOf(value).map((rule) => withDefaultServer(rule, defaultServer));
  const sources = written.map((rule, index) => {
    const parsed = ruleSchema.safeParse(rule);
    const at = { path: ['rules', index], rule: labelOf(rule, index), lineOf };
    if (!parsed.success) faults.push(...toFaults(parsed.error, at));
    for (const { path, message } of ruleFaults(rule, written.slice(0, index))) {
      faults.push({ line: lineOf([...at.path, ...path]), rule: at.rule, field: path.join('.'), message });
    }
    return parsed.data;
  });
  if (!file.success || faults.length > 0) return { ok: false, faults };
  const trustedServers = new Set([...file.data.trusted_servers, ...trustedToo]);
  const rules = sources.flatMap((source, index) =>
    source === undefined ? [] : [toRule(source, trustedServers, lineOf(['rules', index]))],
  );
  return { ok: true, policy: { trustedServers, rules } };
}

/** `policy.yaml:12: rule "big-mails", needed: …` */
export function remarkText(file: string, remark: PolicyRemark): string {
  const place = remark.line === null ? file : `${file}:${remark.line}`;
  const rule = remark.rule === null ? '' : `rule ${remark.rule}, `;
  return `${place}: ${rule}${remark.field}: ${remark.message}`;
}

const ofTheFile = { rule: null, field: 'the file' };

function toRule(source: RuleSource, trustedServers: ReadonlySet<string>, line: number | null): PolicyRule {
  const { id, decide, reason } = source;
  const terms = decide === 'ask' ? toTerms(source) : null;
  return { id, decide, reason, terms, source, line, matchers: toMatchers(source, trustedServers) };
}

function rulesOf(value: unknown): unknown[] {
  const rules = value !== null && typeof value === 'object' && 'rules' in value ? value.rules : [];
  return Array.isArray(rules) ? rules : [];
}

function labelOf(rule: unknown, index: number): string {
  const id = rule !== null && typeof rule === 'object' && 'id' in rule ? rule.id : undefined;
  return typeof id === 'string' && id !== '' ? `"${id.slice(0, 80)}"` : `number ${index + 1}`;
}

interface FaultPlace {
  path: PropertyKey[];
  rule: string | null;
  lineOf(path: readonly PropertyKey[]): number | null;
}

function toFaults(error: z.ZodError, { path, rule, lineOf }: FaultPlace): PolicyRemark[] {
  return error.issues.map((issue) => ({
    line: lineOf([...path, ...issue.path]),
    rule,
    field: issue.path.join('.') || (rule === null ? 'the file' : 'the rule'),
    message: (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined) ?? issue.message,
  }));
}
