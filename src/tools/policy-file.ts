import { type Document, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { type Matcher, toMatchers } from './policy-match.ts';
import { ruleFaults } from './policy-rule-faults.ts';
import { fileSchema, type RuleSource, ruleSchema } from './policy-schema.ts';
import { toTerms } from './policy-terms.ts';

/** A larger file is not read. */
export const POLICY_BYTES_MAX = 1024 * 1024;
const aliasesMax = 100;

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
}

/** A policy file that is in order, ready to be evaluated. */
export interface Policy {
  /** The servers whose word about their own tools is believed. */
  trustedServers: ReadonlySet<string>;
  /** The first that fits a call decides. */
  rules: PolicyRule[];
}

export interface PolicyFault {
  /** From 1; null where it lies in no line. */
  line: number | null;
  /** The rule's id, or its place where it has none. */
  rule: string | null;
  field: string;
  message: string;
}

export type ParsedPolicy = { ok: true; policy: Policy } | { ok: false; faults: PolicyFault[] };

/** Reads the text of a policy file; tells every fault at once. */
export function parsePolicy(text: string): ParsedPolicy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number | undefined) => (offset === undefined ? null : lines.linePos(offset).line);
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      ...noPlace,
      line: lineAt(error.pos[0]),
      message: `is not valid YAML: ${error.message}`,
    }));
    return { ok: false, faults };
  }
  const read = toValue(document);
  if (!read.ok) return { ok: false, faults: [{ ...noPlace, message: read.problem }] };
  const line = (path: PropertyKey[]) => lineAt(offsetOf(document, path));
  const faults: PolicyFault[] = [];
  const file = fileSchema.safeParse(read.value ?? {});
  if (!file.success) faults.push(...toFaults(file.error, [], null, line));
  const raw = rulesOf(read.value);
  const rules = raw.map((rule, index) => {
    const parsed = ruleSchema.safeParse(rule);
    const label = labelOf(rule, index);
    if (!parsed.success) faults.push(...toFaults(parsed.error, ['rules', index], label, line));
    for (const { field, message } of ruleFaults(rule, raw.slice(0, index))) {
      faults.push({ line: line(['rules', index, field]), rule: label, field, message });
    }
    return parsed.data;
  });
  if (!file.success || faults.length > 0) return { ok: false, faults };
  const trustedServers = new Set(file.data.trusted_servers);
  return {
    ok: true,
    policy: { trustedServers, rules: rules.flatMap((rule) => toRule(rule, trustedServers)) },
  };
}

const noPlace = { line: null, rule: null, field: 'the file' };

/** `policy.yaml:12: rule "big-mails", needed: …` */
export function faultText(file: string, fault: PolicyFault): string {
  const place = fault.line === null ? file : `${file}:${fault.line}`;
  const rule = fault.rule === null ? '' : `rule ${fault.rule}, `;
  return `${place}: ${rule}${fault.field}: ${fault.message}`;
}

function toRule(source: RuleSource | undefined, trustedServers: ReadonlySet<string>): PolicyRule[] {
  if (source === undefined) return [];
  const { id, decide, reason } = source;
  const terms = decide === 'ask' ? toTerms(source) : null;
  return [{ id, decide, reason, terms, source, matchers: toMatchers(source, trustedServers) }];
}

function toValue(document: Document): { ok: true; value: unknown } | { ok: false; problem: string } {
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: aliasesMax }) };
  } catch (error) {
    return { ok: false, problem: `cannot be read: ${String(error)}` };
  }
}

function rulesOf(value: unknown): unknown[] {
  const rules = value !== null && typeof value === 'object' && 'rules' in value ? value.rules : [];
  return Array.isArray(rules) ? rules : [];
}

function labelOf(rule: unknown, index: number): string {
  const id = rule !== null && typeof rule === 'object' && 'id' in rule ? rule.id : undefined;
  return typeof id === 'string' && id !== '' ? `"${id.slice(0, 80)}"` : `number ${index + 1}`;
}

function toFaults(
  error: z.ZodError,
  at: PropertyKey[],
  rule: string | null,
  line: (path: PropertyKey[]) => number | null,
): PolicyFault[] {
  return error.issues.map((issue) => ({
    line: line([...at, ...issue.path]),
    rule,
    field: issue.path.join('.') || (rule === null ? 'the file' : 'the rule'),
    message: issue.message,
  }));
}

/** Where in the text the thing at this path begins, or what it lies in where it is missing. */
function offsetOf(document: Document, path: PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (node !== null && typeof node === 'object' && 'range' in node && Array.isArray(node.range)) {
      return Number(node.range[0]);
    }
  }
  return undefined;
}
