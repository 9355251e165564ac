import { type Policy, parsePolicy } from '../../src/tools/policy-file.ts';

/** Trusts one MCP server: what that calls read-only runs, the rest is asked about, its tool `fail` is denied. */
function policyTrusting(server: string): string {
  return `trusted_servers: [${server}]
rules:
  - { id: never-fail, tool: ${server}.fail, decide: deny }
  - { id: trusted-read-only, annotations: { read_only: true }, decide: allow }
  - { id: ask-by-default, decide: ask, remember: always }
`;
}

/** The policy of the test's MCP server. */
export const testPolicy = policyTrusting('test');

/** The policy that a text says, which must be in order. */
export function policyOf(text: string): Policy {
  const parsed = parsePolicy(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.policy;
}
