import { v7 as uuidv7 } from 'uuid';
import { argumentsHash, toolHash } from '../gate/hashes.ts';
import type { ModelToolCall } from '../model/port.ts';
import { cleanText } from '../protocol/text.ts';
import type { Requester } from '../store/requester.ts';
import type { ProposedCall } from '../store/step-close.ts';
import { parseArguments } from '../tools/arguments.ts';
import { toolName } from '../tools/names.ts';
import { decideUnder, repeatabilityOf } from '../tools/policy.ts';
import type { LoadedPolicy } from '../tools/policy-source.ts';
import type { ToolDescriptor } from '../tools/port.ts';
import type { ArgumentCheck } from './argument-check.ts';

/** Calls of one step; more are refused, so that one answer cannot flood people with gates. */
const CALLS_PER_STEP_MAX = 32;

/** No tool has a longer name; what a model makes up may. */
const TOOL_NAME_CHARS_MAX = 256;

/** What the policy looks at, besides the call itself. */
export interface ProposalContext {
  tools: ToolDescriptor[];
  /** `server.tool` for a name that a model wrote without a server's. */
  fullName(name: string): string;
  policy: LoadedPolicy;
  requester: Requester;
  /** The agent's name. */
  agent: string;
  tenant: string | null;
  argumentCheck: ArgumentCheck;
  /** How long people have for a decision where the rule does not say. */
  timeoutMs: number;
}

/** Evaluates the policy on each call the model asked for. Policy lives here, in the activity, never in workflow code. */
export function proposeCalls(asked: ModelToolCall[], context: ProposalContext): ProposedCall[] {
  const { tools, policy, requester, agent, tenant, argumentCheck } = context;
  const seen = new Set<string>();
  return asked.map((call, index) => {
    const toolCallId = uuidv7();
    const named = toolName(
      cleanText(call.name).slice(0, TOOL_NAME_CHARS_MAX),
      tools.map((known) => known.name),
    );
    const tool = context.fullName(named);
    const descriptor = tools.find((known) => known.name === tool);
    const parsed = parseArguments(call.arguments);
    const args = parsed.ok ? parsed.arguments : {};
    const decision = decideUnder(policy, {
      tool: descriptor,
      toolName: tool,
      arguments: args,
      requester,
      agent,
      tenant,
    });
    const proposed = {
      toolCallId,
      // An id that is missing or used twice would break the pairing of calls and results.
      modelCallId: call.id === '' || seen.has(call.id) ? toolCallId : cleanText(call.id),
      tool,
      arguments: args,
      argumentsHash: argumentsHash(args),
      ...decision,
      ...repeatabilityOf(policy, descriptor),
      policyRevision: policy.revision,
      definition: descriptor ?? null,
      toolHash: descriptor === undefined ? null : toolHash(descriptor),
      timeoutMs: context.timeoutMs,
    };
    seen.add(call.id);
    // What can be read is denied before it is checked: nobody is told how to call what they may not call.
    if (parsed.ok && decision.gate === 'deny') {
      return refused(proposed, 'denied', decision.rule, decision.reason);
    }
    // Before the gate: nobody is asked about a call that cannot run.
    const misfit = argumentCheck.judge(tool, descriptor, parsed);
    if (misfit) return refused(proposed, 'failed', misfit.rule, misfit.reason);
    if (index >= CALLS_PER_STEP_MAX) {
      const reason = `More than ${CALLS_PER_STEP_MAX} tool calls in one step; ask for the rest in the next.`;
      return refused(proposed, 'denied', 'too-many-calls', reason);
    }
    return proposed;
  });
}

function refused(
  call: ProposedCall,
  status: 'denied' | 'failed',
  rule: string,
  reason: string,
): ProposedCall {
  const error = { code: 'tool_error', message: reason } as const;
  return { ...call, gate: 'deny', rule, reason, terms: null, refusal: { status, text: reason, error } };
}
