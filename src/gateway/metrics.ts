import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { closeCodes } from '../protocol/close-codes.ts';
import type { Traffic, Transport } from './traffic.ts';
import { type WebhookNumbers, webhookGauges } from './webhook-metrics.ts';

/** What is asked at each scrape. */
export interface MetricSources {
  traffic: Traffic;
  connections(): Record<Transport, number>;
  hubs(): number;
  transfers(): Record<'upload' | 'download', number>;
  /** Deltas and notices that the live plane dropped. */
  liveDropped(): number;
  pool(): { totalCount: number; idleCount: number; waitingCount: number };
  /** Rejects where the store is away. */
  webhooks(): Promise<WebhookNumbers>;
}

const knownCodes = new Set([
  1000,
  1001,
  1005,
  1006,
  1008,
  ...Object.values(closeCodes).map(({ code }) => code),
]);

/** Those of the process are of all gateways in it, and watch it only where somebody asks. */
let ofProcess: Registry | null = null;
function processMetrics(): Registry {
  if (ofProcess) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  return ofProcess;
}

/**
 * The gateway's numbers in Prometheus' words. Every label has few values: transports, types of frames, close codes of
 * ours, routes by their pattern. No ids.
 */
export function createMetrics(sources: MetricSources): () => Promise<string> {
  const register = new Registry();
  const { traffic } = sources;
  const transports = () => Object.entries(traffic.of);
  const gauge = (name: string, help: string, label: string, read: () => Record<string, number>) =>
    new Gauge({
      name: `turngate_${name}`,
      help,
      labelNames: [label],
      registers: [register],
      collect() {
        for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
      },
    });
  const counter = (name: string, help: string, labelNames: string[], read: () => [string[], number][]) =>
    new Counter({
      name: `turngate_${name}_total`,
      help,
      labelNames,
      registers: [register],
      collect() {
        this.reset();
        for (const [values, count] of read()) {
          this.inc(Object.fromEntries(labelNames.map((label, at) => [label, values[at] ?? ''])), count);
        }
      },
    });

  gauge('connections', 'Open connections.', 'transport', () => sources.connections());
  new Gauge({
    name: 'turngate_hubs',
    help: 'Sessions and feeds that are served.',
    registers: [register],
    collect() {
      this.set(sources.hubs());
    },
  });
  gauge('transfers', 'Attachments that are under way.', 'kind', () => sources.transfers());
  gauge('store_connections', 'Connections to Postgres, and who waits for one.', 'state', () => {
    const { totalCount, idleCount, waitingCount } = sources.pool();
    return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
  });
  counter('frames_received', 'Frames from clients.', ['transport'], () =>
    transports().map(([transport, { received }]) => [[transport], received]),
  );
  counter(
    'frames_sent',
    'Frames to clients; deltas and snapshots are types of them.',
    ['transport', 'type'],
    () =>
      transports().flatMap(([transport, { sent }]) =>
        [...sent].map(([type, count]): [string[], number] => [[transport, type], count]),
      ),
  );
  counter('closed', 'Connections that were closed, by close code.', ['transport', 'code'], () =>
    transports().flatMap(([transport, { closed }]) =>
      [...closed].map(([code, count]): [string[], number] => [
        [transport, knownCodes.has(code) ? String(code) : 'other'],
        count,
      ]),
    ),
  );
  counter('slow_readers', 'Readers that fell behind and got a snapshot later.', ['transport'], () =>
    transports().map(([transport, { pauses }]) => [[transport], pauses]),
  );
  counter('http_answers', 'HTTP answers.', ['method', 'route', 'status'], () =>
    [...traffic.answers].map(([key, count]) => [key.split(' '), count]),
  );
  counter('live_dropped', 'Deltas and notices that the live plane dropped.', [], () => [
    [[], sources.liveDropped()],
  ]);

  const askWebhooks = webhookGauges(register, sources.webhooks);

  return async () => {
    await askWebhooks();
    return Registry.merge([register, processMetrics()]).metrics();
  };
}
