import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ApprovalDetails, approvalDetails } from '../../src/protocol/approvals.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { signToken } from './gateway.ts';
import { askJson, type JsonReply } from './http.ts';
import { seatParticipants } from './participants.ts';
import type { SessionClient } from './session-client.ts';
import { openWhole, type Whole } from './whole.ts';

type RequestFrame = Extract<ServerFrame, { type: 'tool_approval_request' }>;

/** All of Turngate with a policy and a tool that a test can change while it runs. */
export interface GateHarness extends Whole {
  /** Replaces the policy file, as a deployment does. */
  policy(rules: string): void;
  /** The same, by one rule that asks about `mail.send`. @param more of the rule */
  mailRule(more: string): void;
  /** What the tool `mail.send` tells of itself from now on. */
  tool(about: { description?: string; schema?: Record<string, unknown> }): void;
  /** From now on, until it is told what to tell, it answers with an error whoever asks it for its tools. */
  down(): void;
  /** What the model was told last. */
  heard(): string;
  /** The arguments of the calls of `mail.send` that ran. */
  sent(): Record<string, unknown>[];
  /** A session of alice's with max (member), ada (approver) and vic (viewer), in which she asks the model for the call. */
  ask(args?: Record<string, unknown>): Promise<Asked>;
  /** All of one approval, as the user reads it. */
  details(user: string, toolCallId: string): Promise<ApprovalDetails>;
  api(user: string, path: string, options?: Parameters<typeof askJson>[1]): Promise<JsonReply>;
}

export interface Asked {
  sessionId: string;
  turnId: string;
  alice: SessionClient;
  /** Connected as that user. */
  as(user: string): Promise<SessionClient>;
  /** The newest request of the session's call, at least of this round. */
  request(round?: number): Promise<RequestFrame>;
}

export const mailSchema = {
  type: 'object',
  properties: { to: { type: 'string' }, amount: { type: 'number' } },
  required: ['to'],
  additionalProperties: false,
};

export async function openGateHarness(): Promise<GateHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'turngate-gate-'));
  const file = (name: string) => join(folder, name);
  const effectsFile = file('sent.jsonl');
  writeFileSync(effectsFile, '');
  const command = process.execPath;
  const args = [fileURLToPath(new URL('../mcp-servers/changing.ts', import.meta.url))];
  const env = { TOOL_FILE: file('tool.json'), EFFECTS_FILE: effectsFile };
  writeFileSync(file('mcp.json'), JSON.stringify({ mcpServers: { mail: { command, args, env } } }));
  const replace = (name: string, text: string) => {
    writeFileSync(file(`${name}.new`), text);
    renameSync(file(`${name}.new`), file(name));
  };
  const policy = (rules: string) => replace('policy.yaml', `trusted_servers: []\nrules:\n${rules}\n`);
  const tool: GateHarness['tool'] = ({ description = 'Sends a mail.', schema = mailSchema }) =>
    replace('tool.json', JSON.stringify({ description, schema }));
  policy('  - { id: ask, decide: ask, remember: always }');
  tool({});
  const whole = await openWhole({
    TURNGATE_POLICY: file('policy.yaml'),
    TURNGATE_MCP_CONFIG: file('mcp.json'),
  });
  const token = (sub: string) => signToken({ sub });
  whole.model.script((request) => {
    const last = request.messages.at(-1);
    if (last?.role === 'tool') return ['done'];
    return [{ toolCall: { name: 'mail__send', arguments: String(last?.content ?? '{}') } }];
  });
  const api: GateHarness['api'] = async (user, path, options = {}) =>
    askJson(`${whole.http}${path}`, { token: await token(user), ...options });
  return {
    ...whole,
    policy,
    mailRule: (more) => policy(`  - { id: mail, tool: mail.send, decide: ask, ${more} }`),
    heard: () => JSON.stringify(whole.model.requests.at(-1)?.messages.at(-1)),
    async details(user, toolCallId) {
      const answer = await api(user, `/v1/approvals/${toolCallId}`);
      if (answer.status !== 200) throw new Error(`The approval was refused: ${JSON.stringify(answer)}`);
      return approvalDetails.parse(answer.body);
    },
    tool,
    down: () => rmSync(file('tool.json')),
    sent: () =>
      readFileSync(effectsFile, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    async ask(args = { to: 'bob' }) {
      const sessionId = await whole.session();
      await seatParticipants(whole.db, sessionId, { max: 'member', ada: 'approver', vic: 'viewer' });
      const alice = await whole.connect(sessionId);
      const as = async (user: string) => whole.connect(sessionId, { token: await token(user) });
      const turnId = await whole.say(sessionId, JSON.stringify(args));
      const request = (round = 1) =>
        alice.frame('tool_approval_request', (frame) => (frame.round ?? 1) >= round, 30_000);
      return { sessionId, turnId, alice, as, request };
    },
    api,
    async close() {
      await whole.close();
      rmSync(folder, { recursive: true });
    },
  };
}
