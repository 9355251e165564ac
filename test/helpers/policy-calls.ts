import type { PolicyCall } from '../../src/tools/policy-call.ts';
import type { ToolDescriptor } from '../../src/tools/port.ts';

/** A tool as its server tells of it: one that may do anything, but for what is said. */
export function toolOf(name: string, hints: Partial<ToolDescriptor> = {}): ToolDescriptor {
  return {
    name,
    server: name.slice(0, name.indexOf('.')),
    description: '',
    inputSchema: { type: 'object' },
    readOnlyHint: false,
    idempotentHint: false,
    ...hints,
  };
}

/** A call that alice, a member, led the agent `default` to, in a session of the tenant `acme`. */
export function callOf(tool: ToolDescriptor, more: Partial<PolicyCall> = {}): PolicyCall {
  return {
    tool,
    toolName: tool.name,
    arguments: {},
    requester: { id: 'alice', role: 'member' },
    agent: 'default',
    tenant: 'acme',
    ...more,
  };
}
