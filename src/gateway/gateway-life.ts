import type { Logger } from 'pino';
import { type ConnectionRow, connectionsOf, restoreConnections } from '../store/connections.ts';
import type { Db } from '../store/db.ts';
import { beatGateway, removeGateways, removeOrphans } from '../store/gateways.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import { Rounds } from './rounds.ts';

export interface LifeTimings {
  /** How often a gateway says that it lives. */
  beatMs: number;
  /** A gateway that has not said so for this long is dead: whoever is alive removes its connections. */
  deadMs: number;
}

export const lifeTimings: LifeTimings = { beatMs: 2_000, deadMs: 10_000 };

/** Rows of one statement. */
const batchRows = 1_000;

/**
 * That this gateway lives, and what follows when another does not. A gateway that was taken for dead, or that could
 * not reach the store, compares its connections with the rows that are there when it is back.
 */
export class GatewayLife {
  readonly #db: Db;
  readonly #registry: ConnectionRegistry;
  readonly #logger: Logger;
  readonly #timings: LifeTimings;
  readonly #graceMs: number;
  readonly #beating: Rounds;
  #mustCompare = false;
  #beats = 0;

  constructor(deps: {
    db: Db;
    registry: ConnectionRegistry;
    logger: Logger;
    graceMs: number;
    timings: LifeTimings;
  }) {
    this.#db = deps.db;
    this.#registry = deps.registry;
    this.#logger = deps.logger;
    this.#timings = deps.timings;
    this.#graceMs = deps.graceMs;
    this.#beating = new Rounds({
      work: () => this.#beat(),
      everyMs: deps.timings.beatMs,
      logger: deps.logger,
      failure: 'the gateway could not say that it lives; it tries again',
    });
  }

  start(): void {
    this.#beating.start();
  }

  /** Takes the gateway and all that is left of it out of the store. */
  async leave(): Promise<void> {
    await this.#beating.stop();
    const { gatewayId } = this.#registry;
    try {
      this.#registry.tellPresence(await removeGateways(this.#db, { gatewayId }, this.#graceMs));
    } catch (error) {
      this.#logger.warn({ err: error }, 'the gateway is still listed; the others remove it');
    }
  }

  async #beat(): Promise<void> {
    const { gatewayId } = this.#registry;
    const { deadMs } = this.#timings;
    // Commits of these rows wait for no disk, so a crash of Postgres may lose the last ones without any query failing.
    const mustCompare = this.#mustCompare || this.#beats % compareBeats === 0;
    // Until this round is through, something may be missing.
    this.#mustCompare = true;
    const isUnknown = await beatGateway(this.#db, gatewayId);
    if (mustCompare || isUnknown) await this.#compare();
    const left = await removeGateways(this.#db, { deadMs }, this.#graceMs);
    this.#registry.tellPresence(left);
    if (this.#beats % orphanBeats === 0) {
      this.#registry.tellPresence(await removeOrphans(this.#db, deadMs, this.#graceMs));
    }
    this.#beats += 1;
    this.#mustCompare = false;
  }

  /** Removes rows without a connection, and writes the rows that connections lack. */
  async #compare(): Promise<void> {
    // Asked before the store is: a connection that registers meanwhile lacks nothing.
    const registered = this.#registry.rows();
    const listed = new Set(await connectionsOf(this.#db, this.#registry.gatewayId));
    this.#registry.disown([...listed].filter((id) => !this.#registry.has(id)));
    const rows = registered.filter((row) => !listed.has(row.connectionId));
    const newest = newestOfEach(rows);
    for (let start = 0; start < newest.length; start += batchRows) {
      await restoreConnections(this.#db, this.#registry.gatewayId, newest.slice(start, start + batchRows));
    }
    if (rows.length === 0) return;
    const restored = new Set(await connectionsOf(this.#db, this.#registry.gatewayId));
    const replaced = rows.filter((row) => !restored.has(row.connectionId));
    // Also one that ended a moment ago: closing it again does nothing, and its row goes with the next comparison.
    for (const { connectionId } of replaced) this.#registry.end(connectionId, 'replaced');
    // While they had no row, nobody who took a right away could have them closed.
    await this.#registry.closeUnfit(rows.map(({ connectionId }) => connectionId));
    this.#registry.disown([...restored].filter((id) => !this.#registry.has(id)));
    const sessionIds = new Set(rows.flatMap(({ sessionId }) => (sessionId === null ? [] : [sessionId])));
    this.#registry.tellPresence([...sessionIds]);
    this.#logger.info(
      { restored: rows.length - replaced.length, replaced: replaced.length },
      'registered anew',
    );
  }
}

/** What no failure tells of is looked for about twice a minute. */
const compareBeats = 15;
/** Orphans come of a rare race, and are looked for in every fifth round. */
const orphanBeats = 5;

/** Of connections of one device only the newest has a place. */
function newestOfEach(rows: (ConnectionRow & { epoch: number })[]): (ConnectionRow & { epoch: number })[] {
  const newest = new Map<string, ConnectionRow & { epoch: number }>();
  for (const row of rows) {
    const key =
      row.sessionId === null ? row.connectionId : JSON.stringify([row.sessionId, row.userId, row.device]);
    const other = newest.get(key);
    if (!other || other.epoch < row.epoch) newest.set(key, row);
  }
  return [...newest.values()];
}
