import { describe, expect, test } from '@jest/globals';
import { decidePolicy, isRepeatable } from '../../src/tools/policy.ts';
import type { ToolDescriptor } from '../../src/tools/port.ts';

function tool(name: string, hints: Partial<ToolDescriptor> = {}): ToolDescriptor {
  const server = name.slice(0, name.indexOf('.'));
  return {
    name,
    server,
    description: '',
    inputSchema: { type: 'object' },
    readOnlyHint: false,
    idempotentHint: false,
    ...hints,
  };
}
const policy = { trusted_servers: ['office'], deny: ['everything.get-env', 'legacy.*'] };
const decide = (descriptor: ToolDescriptor) => decidePolicy(policy, descriptor, descriptor.name);

describe('decidePolicy', () => {
  test('allows what a trusted server marks as read-only', () => {
    const decision = decide(tool('office.search_mail', { readOnlyHint: true }));
    expect(decision).toMatchObject({ gate: 'allow', rule: 'trusted-read-only' });
  });

  test('asks for everything else of a trusted server', () => {
    expect(decide(tool('office.send_mail', { idempotentHint: true }))).toEqual({
      gate: 'ask',
      rule: 'ask-by-default',
      reason: 'office.send_mail may change something, so a person has to approve it.',
    });
  });

  test('does not believe a server that nobody named as trusted', () => {
    const decision = decide(tool('everything.echo', { readOnlyHint: true }));
    expect(decision).toMatchObject({ gate: 'ask', rule: 'ask-by-default' });
    expect(decision.reason).toContain('not named as trusted');
  });

  test('denies by name before anything else, also a tool that is not there', () => {
    const readOnly = tool('everything.get-env', { readOnlyHint: true });
    const trusting = { ...policy, trusted_servers: ['everything'] };
    expect(decidePolicy(trusting, readOnly, readOnly.name)).toMatchObject({
      gate: 'deny',
      rule: 'deny:everything.get-env',
    });
    expect(decidePolicy(policy, undefined, 'legacy.anything').rule).toBe('deny:legacy.*');
    expect(decide(tool('legacy2.anything')).gate).toBe('ask');
    expect(decide(tool('everything.get-env2')).gate).toBe('ask');
  });

  test('denies a tool that no server has, with a reason for the model', () => {
    expect(decidePolicy(policy, undefined, 'office.fly')).toEqual({
      gate: 'deny',
      rule: 'unknown-tool',
      reason: 'There is no tool office.fly at this time. Use one of the tools that are offered.',
    });
  });
});

test('only what a trusted server calls read-only or idempotent is repeatable', () => {
  expect(isRepeatable(policy, tool('office.read', { readOnlyHint: true }))).toBe(true);
  expect(isRepeatable(policy, tool('office.put', { idempotentHint: true }))).toBe(true);
  expect(isRepeatable(policy, tool('office.send'))).toBe(false);
  expect(isRepeatable(policy, tool('other.read', { readOnlyHint: true, idempotentHint: true }))).toBe(false);
});
