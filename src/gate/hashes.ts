import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { GateTerms } from '../protocol/gate-terms.ts';

/**
 * Identifies a JSON value by what it says, not by how it is written.
 * @returns SHA-256 (hex) of its RFC 8785 canonical JSON
 */
export function canonicalHash(value: unknown): string {
  return createHash('sha256')
    .update(canonicalize(value) ?? '')
    .digest('hex');
}

/** Of a call's arguments. */
export function argumentsHash(args: Record<string, unknown>): string {
  return canonicalHash(args);
}

/** What a person who approves a call was told of the tool. */
export interface ToolDefinition {
  /** `server.tool`. */
  name: string;
  server: string;
  description: string;
  inputSchema: Record<string, unknown>;
}

/** Of what a tool is: its server, name, description and schema. What the server says about itself besides is policy. */
export function toolHash({ name, server, description, inputSchema }: ToolDefinition): string {
  return canonicalHash({ name, server, description, inputSchema });
}

/** Of who has to decide. Times are left out: a rule that gives people longer asks for the same decision. */
export function termsHash(terms: GateTerms): string {
  const levels = terms.levels.map(({ approvers, needed }) => ({
    users: approvers.users.toSorted(),
    roles: approvers.roles.toSorted(),
    requester: approvers.requester,
    needed,
  }));
  return canonicalHash({ rule: terms.rule, levels });
}
