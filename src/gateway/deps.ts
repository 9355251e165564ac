import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { LivePlane } from '../live/port.ts';
import { limits } from '../protocol/limits.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import type { Db } from '../store/db.ts';
import type { TurnClient } from '../temporal/turn-client.ts';
import type { VerifyToken } from './auth.ts';
import { type LifeTimings, lifeTimings } from './gateway-life.ts';
import type { Agents } from './http-agents.ts';
import type { LimitsNow } from './http-usage.ts';
import { type HubTimings, hubTimings } from './hub-ports.ts';
import { goodbyeMs } from './parting.ts';
import { type TypingTimings, typingTimings } from './typing.ts';

/** What the gateway is made of; the composition root gives it and keeps what it does not close. */
export interface GatewayDeps {
  config: Config;
  db: Db;
  attachments: AttachmentStore;
  live: LivePlane;
  turns: TurnClient;
  agents: Agents;
  limits: LimitsNow;
  verifyToken: VerifyToken;
  /** Rejects when Temporal cannot be reached; asked by `/readyz`. */
  checkTemporal(): Promise<void>;
  logger: Logger;
  /** Shorter ones make tests quick. */
  timings?: Partial<GatewayTimings>;
}

export interface GatewayTimings {
  idleMs: number;
  pingMs: number;
  /** How long a client that takes nothing is waited for, and then how long its goodbye waits. */
  stuckMs: number;
  goodbyeMs: number;
  /** How often an event stream says something, if only a comment. */
  keepAliveMs: number;
  /** How often connections are looked at for the two above. */
  sweepMs: number;
  /** An upload that takes longer is given up. */
  uploadMs: number;
  /** How often all served sessions are compared with the store. */
  pollMs: number;
  /** How often closures of connections are looked for where no nudge came. */
  closuresMs: number;
  /** How often presence is read where no nudge came. */
  presenceMs: number;
  /** How often sessions that were left are looked at. */
  leftMs: number;
  typing: TypingTimings;
  life: LifeTimings;
  hub: HubTimings;
}

export const gatewayTimings: GatewayTimings = {
  idleMs: limits.idleMs,
  pingMs: limits.pingMs,
  stuckMs: limits.stuckMs,
  goodbyeMs,
  keepAliveMs: limits.keepAliveMs,
  sweepMs: 1_000,
  uploadMs: 120_000,
  pollMs: 1_000,
  closuresMs: 500,
  presenceMs: 10_000,
  leftMs: 1_000,
  typing: typingTimings,
  life: lifeTimings,
  hub: hubTimings,
};
