import { describe, expect, test } from '@jest/globals';
import { decidePolicy, decideUnder, repeatabilityOf } from '../../src/tools/policy.ts';
import type { PolicyCall } from '../../src/tools/policy-call.ts';
import { policyOf } from '../helpers/policy.ts';
import { callOf, toolOf } from '../helpers/policy-calls.ts';

const policy = policyOf(`
trusted_servers: [office, everything]
rules:
  - { id: no-env, tool: everything.get-env, decide: deny }
  - { id: no-legacy, tool: legacy.*, decide: deny, reason: It is gone. }
  - { id: trusted-read-only, annotations: { read_only: true }, decide: allow }
  - { id: ask-by-default, decide: ask }
`);
const readOnly = { readOnlyHint: true };
const decide = (name: string, hints = {}, more: Partial<PolicyCall> = {}) =>
  decidePolicy(policy, callOf(toolOf(name, hints), more));

describe('decidePolicy', () => {
  test('allows what a trusted server marks as read-only', () => {
    expect(decide('office.search_mail', readOnly)).toEqual({
      gate: 'allow',
      rule: 'trusted-read-only',
      reason: 'office.search_mail may run by itself, says the rule "trusted-read-only".',
      terms: null,
    });
  });

  test('asks for everything else of a trusted server, by the terms of the rule', () => {
    const level = {
      approvers: { users: [], roles: ['owner', 'member', 'approver'], requester: true },
      needed: 1,
      timeoutMs: null,
      remindEveryMs: null,
    };
    expect(decide('office.send_mail', { idempotentHint: true })).toEqual({
      gate: 'ask',
      rule: 'ask-by-default',
      reason: 'office.send_mail needs a person\'s approval, says the rule "ask-by-default".',
      terms: { rule: 'ask-by-default', levels: [level], remember: 'once' },
    });
  });

  test('does not believe a server that nobody named as trusted', () => {
    expect(decide('other.echo', readOnly)).toMatchObject({ gate: 'ask', rule: 'ask-by-default' });
  });

  test('denies by name before anything else, also a tool that is not there', () => {
    expect(decide('everything.get-env', readOnly)).toMatchObject({ gate: 'deny', rule: 'no-env' });
    expect(decide('legacy.anything', {}, { tool: undefined })).toMatchObject({
      gate: 'deny',
      rule: 'no-legacy',
      reason: 'It is gone.',
    });
    expect(decide('legacy2.anything').gate).toBe('ask');
    expect(decide('everything.get-env2').gate).toBe('ask');
  });

  test('denies a tool that no server has, with a reason for the model', () => {
    expect(decide('office.fly', {}, { tool: undefined })).toEqual({
      gate: 'deny',
      rule: 'unknown-tool',
      reason: 'There is no tool office.fly at this time. Use one of the tools that are offered.',
      terms: null,
    });
  });

  test('denies what no rule fits', () => {
    const small = policyOf('rules: [{ id: echo, tool: a.echo, decide: allow }]');
    expect(decidePolicy(small, callOf(toolOf('a.echo'))).gate).toBe('allow');
    expect(decidePolicy(small, callOf(toolOf('a.shout')))).toEqual({
      gate: 'deny',
      rule: 'no-rule',
      reason: 'a.shout is denied, because no rule of the policy says otherwise.',
      terms: null,
    });
  });

  test('denies everything under a policy that cannot be used, and says why', () => {
    const fault = 'The policy file is not usable: line 3.';
    expect(decideUnder({ fault }, callOf(toolOf('office.search_mail', readOnly)))).toEqual({
      gate: 'deny',
      rule: 'policy-broken',
      reason: `Every tool call is denied until the policy file is mended. ${fault}`,
      terms: null,
    });
  });
});

test('only what a trusted server calls read-only or idempotent is repeatable, and only the one has no effect', () => {
  const of = (name: string, hints = {}) => repeatabilityOf({ policy }, toolOf(name, hints));
  const no = { repeatable: false, readOnly: false };
  expect(of('office.read', readOnly)).toEqual({ repeatable: true, readOnly: true });
  expect(of('office.put', { idempotentHint: true })).toEqual({ repeatable: true, readOnly: false });
  expect(of('office.send')).toEqual(no);
  expect(of('other.read', { readOnlyHint: true, idempotentHint: true })).toEqual(no);
  expect(repeatabilityOf({ policy }, undefined)).toEqual(no);
  expect(repeatabilityOf({ fault: 'broken' }, toolOf('office.read', readOnly))).toEqual(no);
});

test('of what is not said the worse is taken: a tool destroys, and who left has any role that is asked about or denied', () => {
  const careful = policyOf(`
trusted_servers: [office]
rules:
  - { id: no-guests, role: viewer, decide: deny }
  - { id: harmless, annotations: { destructive: false }, decide: allow }
`);
  const rule = (hints: object, more: Partial<PolicyCall> = {}) =>
    decidePolicy(careful, callOf(toolOf('office.send', hints), more)).rule;
  expect(rule({ destructiveHint: false })).toBe('harmless');
  expect(rule({})).toBe('no-rule');
  expect(rule({ destructiveHint: true })).toBe('no-rule');
  expect(rule({ destructiveHint: false }, { requester: { id: 'alice', role: null } })).toBe('no-guests');
});

test('rules look at the tenant; of a call whose tenant is not known it is unclear, which opens nothing', () => {
  const apart = policyOf(`
rules:
  - { id: not-theirs, tool: bank.*, tenant: other, decide: deny }
  - { id: ours, tenant: [acme, initech], decide: allow }
`);
  const rule = (tool: string, tenant: string | null) =>
    decidePolicy(apart, callOf(toolOf(tool), { tenant })).rule;
  expect(rule('bank.pay', 'acme')).toBe('ours');
  expect(rule('bank.pay', 'initech')).toBe('ours');
  expect(rule('bank.pay', 'other')).toBe('not-theirs');
  expect(rule('office.send', 'other')).toBe('no-rule');
  expect(rule('bank.pay', null)).toBe('not-theirs');
  expect(rule('office.send', null)).toBe('no-rule');
});
