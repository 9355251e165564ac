import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { LivePlane } from '../live/port.ts';
import type { ModelPort } from '../model/port.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import type { Db } from '../store/db.ts';
import type { DebugSource } from '../store/turn-debug.ts';
import type { AgentDefinition } from '../tools/agent.ts';
import type { LimitsSource } from '../tools/limits-source.ts';
import type { PolicySource } from '../tools/policy-source.ts';
import type { ToolPort } from '../tools/port.ts';
import type { DraftWriter } from './draft-writer.ts';
import type { TurnNudges } from './turn-nudges.ts';

/** What activities are made of; the composition root gives it. No globals. */
export interface ActivityDeps {
  db: Db;
  live: LivePlane;
  model: ModelPort;
  tools: ToolPort;
  attachments: AttachmentStore;
  loadAgent(name: string): Promise<AgentDefinition>;
  policy: PolicySource;
  limits: LimitsSource;
  drafts: DraftWriter;
  nudges: TurnNudges;
  config: Pick<
    Config,
    | 'TURNGATE_MODEL'
    | 'APPROVAL_TIMEOUT_MS'
    | 'ELICITATION_HOLD_MS'
    | 'OPERATOR_SIGNALS'
    | 'HISTORY_MESSAGES'
    | 'INVALID_CALLS_MAX'
    | 'ATTACHMENT_MODEL_BYTES'
    | 'MODEL_MAX_ATTEMPTS'
  >;
  /** Set where `turn_end` is to tell developers how the turn went. */
  debug: DebugSource | undefined;
  logger: Logger;
}
