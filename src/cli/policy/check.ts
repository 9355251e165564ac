import { checkArguments } from '../../gate/schema-words.ts';
import type { ParticipantRole } from '../../protocol/frame-parts.ts';
import { unfitArguments } from '../../tools/arguments.ts';
import { type Policy, type PolicyReading, parsePolicy, remarkText } from '../../tools/policy-file.ts';
import { readPolicyText } from '../../tools/policy-source.ts';
import { policyWarnings } from '../../tools/policy-warnings.ts';
import { StartFailure } from '../dev/start-failure.ts';
import { jsonArgument } from '../inbox/json-argument.ts';
import { explanationLines } from './explanation.ts';
import { defaultServerIn, fullNameIn, knownNames, surroundingsOf } from './surroundings.ts';
import { toolInQuestion } from './tool-in-question.ts';

export interface CheckOptions {
  /** `server.tool`: the call of it is explained. */
  tool?: string;
  /** JSON, `@file` or `-`; none where it is left out. */
  arguments?: string;
  user: string;
  role: ParticipantRole | 'none';
  agent: string;
  tenant: string;
  readOnly?: boolean;
  idempotent?: boolean;
  /** false where a person says that it is not. */
  destructive?: boolean;
  trusted?: boolean;
  offline?: boolean;
}

/**
 * `turngate policy check`: whether a policy file is in order, and what it says to a call.
 * @param print told each line for the console
 * @throws StartFailure with every fault of the file
 */
export async function runCheck(
  file: string | undefined,
  options: CheckOptions,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void = console.log,
): Promise<void> {
  const at = surroundingsOf(env);
  const path = file ?? at.policy;
  const defaultServer = defaultServerIn(at);
  const name = options.tool === undefined ? undefined : fullNameIn(at, options.tool);
  const text = await textOf(path);
  const warnings = policyWarnings(usable(path, text, { defaultServer }), knownNames(at, print));
  for (const warning of warnings) print(`warning: ${remarkText(path, warning)}`);
  const server = name?.split('.', 1)[0];
  const trustedToo = options.trusted && server !== undefined ? [server] : [];
  const policy = usable(path, text, { trustedToo, defaultServer });
  const count = policy.rules.length === 1 ? '1 rule' : `${policy.rules.length} rules`;
  print(`${path} is in order: ${count}${warnings.length > 0 ? `, ${warnings.length} to look at` : ''}.`);
  if (name === undefined) return;
  const args = jsonArgument('--arguments', options.arguments ?? '{}');
  const unfit = unfitArguments(args);
  if (unfit !== null) {
    print('');
    print(`refused, by no rule: ${unfit.error} Such a call goes back to the model, and nobody is asked.`);
    return;
  }
  const { tool, isAsked } = await toolInQuestion({
    name,
    said: said(options),
    mcpConfig: at.mcpConfig,
    env,
    offline: options.offline === true,
    note: print,
  });
  const call = {
    tool,
    toolName: name,
    arguments: args,
    requester: { id: options.user, role: options.role === 'none' ? null : options.role },
    agent: options.agent,
    tenant: options.tenant,
  };
  print('');
  for (const line of explanationLines(path, policy, call, { isAsked })) print(line);
  const misfit = tool && options.arguments && checkArguments(tool.inputSchema, call.arguments);
  if (misfit)
    print(`note: ${misfit} Unless it is denied, such a call goes back to the model, and nobody is asked.`);
}

async function textOf(path: string): Promise<string> {
  const read = await readPolicyText(path);
  if (!read.ok) throw new StartFailure(read.fault);
  return read.text;
}

function usable(path: string, text: string, reading: PolicyReading): Policy {
  const parsed = parsePolicy(text, reading);
  if (parsed.ok) return parsed.policy;
  const faults = parsed.faults.map((fault) => remarkText(path, fault));
  throw new StartFailure([...faults, `${path} is not usable; with it, no tool would run.`].join('\n'));
}

function said({ readOnly, idempotent, destructive }: CheckOptions) {
  return {
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(destructive === undefined ? {} : { destructive }),
  };
}
