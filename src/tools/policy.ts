import type { ToolPolicy } from './agent.ts';
import type { ToolDescriptor } from './port.ts';

export interface GateDecision {
  gate: 'allow' | 'ask' | 'deny';
  /** Stable id of the rule that decided: `deny:<pattern>`, `unknown-tool`, `trusted-read-only`, `ask-by-default`. */
  rule: string;
  /** A sentence for the user and, when refused, for the model. */
  reason: string;
}

/**
 * What stands between one tool call and its execution. The first rule that fits decides.
 * @param tool what is known of the tool; undefined where no connected server has it
 * @param toolName `server.tool`
 */
export function decidePolicy(
  policy: ToolPolicy,
  tool: ToolDescriptor | undefined,
  toolName: string,
): GateDecision {
  const pattern = policy.deny.find((candidate) => matches(candidate, toolName));
  if (pattern !== undefined) {
    return {
      gate: 'deny',
      rule: `deny:${pattern}`,
      reason: `The policy of this agent never allows ${toolName}.`,
    };
  }
  if (tool === undefined) {
    return {
      gate: 'deny',
      rule: 'unknown-tool',
      reason: `There is no tool ${toolName} at this time. Use one of the tools that are offered.`,
    };
  }
  if (isTrusted(policy, tool) && tool.readOnlyHint) {
    return {
      gate: 'allow',
      rule: 'trusted-read-only',
      reason: `${toolName} only reads, says the trusted server "${tool.server}".`,
    };
  }
  return {
    gate: 'ask',
    rule: 'ask-by-default',
    reason: isTrusted(policy, tool)
      ? `${toolName} may change something, so a person has to approve it.`
      : `${toolName} belongs to "${tool.server}", a server not named as trusted, so a person has to approve it.`,
  };
}

/** Whether a call with unknown outcome may be made again: only what a trusted server calls read-only or idempotent. */
export function isRepeatable(policy: ToolPolicy, tool: ToolDescriptor): boolean {
  return isTrusted(policy, tool) && (tool.readOnlyHint || tool.idempotentHint);
}

function isTrusted(policy: ToolPolicy, tool: ToolDescriptor): boolean {
  return policy.trusted_servers.includes(tool.server);
}

function matches(pattern: string, toolName: string): boolean {
  return pattern.endsWith('.*') ? toolName.startsWith(pattern.slice(0, -1)) : pattern === toolName;
}
