import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import { stringify } from 'yaml';
import { type Db, lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents, type NewEvent } from '../../src/store/events.ts';
import { createSession } from '../../src/store/sessions.ts';
import { WebhookEndpoints } from '../../src/webhooks/endpoints.ts';
import { type SenderSettings, type SenderTimings, WebhookSender } from '../../src/webhooks/sender.ts';
import { openTestStore } from './database.ts';
import { newSecret, openReceiver, type WebhookReceiver } from './webhook-receiver.ts';

export interface EndpointInFile {
  name: string;
  url: string;
  secret: string | string[];
  events?: string[];
  tenants?: string[];
}

/** Deliveries as they stand. */
export interface DeliveryRow {
  id: string;
  endpoint: string;
  tenant: string;
  type: string;
  seq: number;
  status: string;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
}

const hour = 3_600_000;
const quick: Partial<SenderTimings> = {
  pollMs: 20,
  sweepMs: 50,
  forgetMs: 200,
  schedule: { firstMs: 40, factor: 2, maxMs: 200, jitter: 0.2 },
};
const settings: SenderSettings = { timeoutMs: 2_000, giveUpMs: hour, retentionMs: hour };

/** Senders on a store of their own, a file of endpoints, and receivers; no Temporal. */
export class WebhookBench {
  readonly db: Db;
  readonly secret = newSecret();
  readonly otherSecret = newSecret();
  readonly env = { HOOK_SECRET: this.secret, OTHER_SECRET: this.otherSecret };
  readonly folder = mkdtempSync(join(tmpdir(), 'turngate-webhooks-'));
  readonly file = join(this.folder, 'webhooks.yaml');
  readonly #closeStore: () => Promise<void>;
  readonly #senders = new Set<WebhookSender>();
  readonly #receivers: WebhookReceiver[] = [];

  private constructor(store: { db: Db; close(): Promise<void> }) {
    this.db = store.db;
    this.#closeStore = () => store.close();
  }

  static async open(): Promise<WebhookBench> {
    return new WebhookBench(await openTestStore('webhooks', { max: 10 }));
  }

  /** Writes the file; a running sender reads it again. */
  endpoints(endpoints: EndpointInFile[]): void {
    writeFileSync(this.file, stringify({ endpoints }));
  }

  async receiver(): Promise<WebhookReceiver> {
    const receiver = await openReceiver();
    this.#receivers.push(receiver);
    return receiver;
  }

  sender(
    more: Partial<SenderSettings> = {},
    logger: Logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' }),
  ): WebhookSender {
    const endpoints = new WebhookEndpoints({ file: this.file, env: this.env, logger });
    const sender = new WebhookSender({ db: this.db, endpoints, logger }, { ...settings, ...more }, quick);
    this.#senders.add(sender);
    sender.start();
    return sender;
  }

  /** A sender with these endpoints, which it has told the store of. */
  async sending(endpoints: EndpointInFile[], more: Partial<SenderSettings> = {}): Promise<WebhookSender> {
    this.endpoints(endpoints);
    const sender = this.sender(more);
    await this.known(endpoints.map(({ name }) => name));
    return sender;
  }

  /** Waits until the store has exactly these endpoints. */
  async known(names: string[]): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const { rows } = await this.db.query(
        'select name from webhook_endpoints where removed_at is null order by name',
      );
      if (JSON.stringify(rows.map(({ name }) => name)) === JSON.stringify(names.toSorted())) return;
      if (Date.now() > deadline) throw new Error(`The store has other endpoints: ${JSON.stringify(rows)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async session(tenant = 't'): Promise<string> {
    return (await createSession(this.db, { tenant, userId: 'alice' })).id;
  }

  async write(sessionId: string, ...events: NewEvent[]): Promise<void> {
    await transaction(this.db, async (tx) => {
      await lockSession(tx, sessionId);
      await appendEvents(tx, sessionId, events);
    });
  }

  async deliveries(): Promise<DeliveryRow[]> {
    const { rows } = await this.db.query<DeliveryRow>('select * from webhook_deliveries order by id');
    return rows;
  }

  /** Stops senders and receivers and forgets all deliveries: the next test begins with none. */
  async clear(): Promise<void> {
    await Promise.all([...this.#senders].map((sender) => sender.stop()));
    this.#senders.clear();
    await Promise.all(this.#receivers.splice(0).map((receiver) => receiver.down()));
    await this.db.query('delete from webhook_deliveries');
    await this.db.query('delete from webhook_endpoints');
  }

  async close(): Promise<void> {
    await this.clear();
    await this.#closeStore();
    rmSync(this.folder, { recursive: true });
  }
}

/** A reference to the environment, as the file has it. */
export const fromEnv = (name: string) => `$\{${name}}`;

/** A request for an approval, as a step writes it. */
export function asked(more: { arguments?: unknown } = {}): NewEvent {
  const id = randomUUID();
  return {
    key: `approval_request:${id}`,
    type: 'tool_approval_request',
    turnId: 'turn',
    body: {
      tool_call_id: id,
      tool: 'office.send_mail',
      arguments: (more.arguments ?? { to: 'bob' }) as { to: string },
      arguments_hash: 'hash',
      reason: 'it may change something',
      expires_at: 1,
      approvers: ['alice'],
      needed: 1,
    },
  };
}

export function ended(): NewEvent {
  return {
    key: `turn_end:${randomUUID()}`,
    type: 'turn_end',
    turnId: 'turn',
    body: { status: 'completed', usage: null },
  };
}
