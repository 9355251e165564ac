import { Context } from '@temporalio/activity';
import { argumentsHash, toolHash } from '../gate/hashes.ts';
import { checkArguments } from '../gate/schema-words.ts';
import { errorText } from '../protocol/error-text.ts';
import type { Look } from '../store/ledger-row.ts';
import { decideUnder, repeatabilityOf } from '../tools/policy.ts';
import type { LoadedPolicy } from '../tools/policy-source.ts';
import type { ToolDescriptor } from '../tools/port.ts';
import type { ActivityDeps } from './deps.ts';

/**
 * Looks at what is about to run, immediately before it runs: the tool as its server tells of it now, the policy as its
 * file is now. What was decided is held against this.
 * @param tool `server.tool`
 */
export async function lookAt(deps: ActivityDeps, tool: string): Promise<Look> {
  const [policy, found, limits] = await Promise.all([
    policyToUse(deps),
    describe(deps, tool),
    deps.limits.current(),
  ]);
  const inspect: Look['inspect'] = ({
    tool: toolName,
    arguments: args,
    requester,
    agent,
    tenant,
    isEdited,
  }) => {
    const { descriptor, unavailable } = found;
    const decision = decideUnder(policy, {
      tool: descriptor,
      toolName,
      arguments: args,
      requester,
      agent,
      tenant,
    });
    return {
      ...decision,
      argumentsHash: argumentsHash(args),
      toolHash: descriptor === undefined ? null : toolHash(descriptor),
      definition: descriptor ?? null,
      policyRevision: policy.revision,
      repeatability: unavailable === null ? repeatabilityOf(policy, descriptor) : null,
      unavailable,
      misfit: isEdited && descriptor !== undefined ? checkArguments(descriptor.inputSchema, args) : null,
    };
  };
  return { limits, inspect };
}

/** A file that is being mended should not cost an approval that somebody gave: it is looked at some times more. */
async function policyToUse(deps: ActivityDeps): Promise<LoadedPolicy> {
  const policy = await deps.policy.current();
  if ('fault' in policy && mayTryAgain(deps))
    throw new Error(`Nothing runs under a broken policy. ${policy.fault}`);
  return policy;
}

/** Whether what stands in a call's way may be looked at once more, by another attempt of the activity. */
export function mayTryAgain({ config }: ActivityDeps): boolean {
  return Context.current().info.attempt < config.MODEL_MAX_ATTEMPTS;
}

async function describe(
  deps: ActivityDeps,
  tool: string,
): Promise<{ descriptor: ToolDescriptor | undefined; unavailable: string | null }> {
  const look = () => deps.tools.describe(tool, { fresh: true });
  try {
    // Its server may have ended just now, and starts again for a second look: that should not cost an approval.
    return { descriptor: await look().catch(look), unavailable: null };
  } catch (error) {
    return { descriptor: undefined, unavailable: errorText(error) };
  }
}
