import type { Findings } from './findings.ts';
import type { ToolsRecord } from './record.ts';

/** Every client has every event of its session once, in order, as stored; and events say what the ledger says. */
export function judgeLogs(record: ToolsRecord, findings: Findings): void {
  for (const log of record.logs) {
    for (const fault of log.faults) findings.note('gap', `${log.who}: ${fault}`);
    const stored = record.events
      .filter((event) => event.session_id === log.sessionId)
      .map(({ seq, type }) => `${seq} ${type}`);
    const at = stored.findIndex((event, index) => event !== log.events[index]);
    if (at >= 0) findings.note('gap', `${log.who} has ${log.events[at]} where ${stored[at]} is stored`);
    else if (log.events.length > stored.length) findings.note('gap', `${log.who} has more than is stored`);
  }
  for (const call of record.calls) {
    const results = record.events.filter(
      ({ type, body }) => type === 'tool_result' && body.tool_call_id === call.id,
    );
    const told = results.map(({ body }) => String(body.status));
    if (told.length !== 1 || told[0] !== call.status) {
      findings.note(
        'gap',
        `call ${String(call.arguments.nonce)} is ${call.status}, and its events say ${told.join(', ') || 'nothing'}`,
      );
    }
  }
}
