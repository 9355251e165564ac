import type { EventFrame } from '../protocol/server-frames.ts';
import { cutAt } from '../protocol/text.ts';
import type { GatewayNudge, LiveDelta, LiveNotice, SessionMessage, TurnNudge } from './port.ts';

/**
 * Bytes of one NOTIFY payload: Postgres wants it under 8,000. A payload is a JSON array
 * `[publisher, counter, item…]`; publisher and counter keep any two payloads apart, because identical
 * ones in one transaction arrive once.
 */
export const payloadMaxBytes = 7_999;
const headRoomBytes = 40;
/** An item above this fits no payload. */
export const itemMaxBytes = payloadMaxBytes - headRoomBytes;

/** Items are arrays led by a number: a delta is the most frequent thing on the plane, and names cost. */
const tags = { text: 0, thought: 1, event: 2, announce: 3, notice: 4, nudge: 5, gateway: 6 } as const;

/** UTF-8 never needs more than three bytes for a code unit, so short strings need no counting. */
export function fits(json: string, maxBytes: number): boolean {
  return json.length * 3 <= maxBytes || (json.length <= maxBytes && Buffer.byteLength(json) <= maxBytes);
}

/** The items of one delta: one, or several where its text is too large for a payload. */
export function encodeDelta(delta: LiveDelta): string[] {
  const { sessionId, messageId, attempt, offset } = delta;
  const json = JSON.stringify([tags[delta.channel], sessionId, messageId, attempt, offset, delta.delta]);
  if (fits(json, itemMaxBytes)) return [json];
  const middle = cutAt(delta.delta, Math.ceil(delta.delta.length / 2));
  // A cut that takes nothing off would never end; ids that alone are too large are nobody's.
  if (middle === 0 || middle === delta.delta.length) return [];
  return [
    ...encodeDelta({ ...delta, delta: delta.delta.slice(0, middle) }),
    ...encodeDelta({ ...delta, offset: offset + middle, delta: delta.delta.slice(middle) }),
  ];
}

/** The item of one event, or null where it is too large and has to be announced. */
export function encodeEvent(event: EventFrame): string | null {
  const json = `[${tags.event},${JSON.stringify(event)}]`;
  return fits(json, itemMaxBytes) ? json : null;
}

export function encodeAnnouncement(sessionId: string, lastSeq: number): string {
  return JSON.stringify([tags.announce, sessionId, lastSeq]);
}

/** The item of a notice, or null where it is too large: it is lost, as notices may be. */
export function encodeNotice(notice: LiveNotice): string | null {
  const json = `[${tags.notice},${JSON.stringify(notice.sessionId)},${JSON.stringify(notice.frame)}]`;
  return fits(json, itemMaxBytes) ? json : null;
}

export function encodeNudge(nudge: TurnNudge): string {
  return JSON.stringify([tags.nudge, nudge.kind, nudge.turnId]);
}

/** The item of a gateway's nudge, or null where it is too large: it is lost, as nudges may be. */
export function encodeGatewayNudge(nudge: GatewayNudge): string | null {
  const json = `[${tags.gateway},${JSON.stringify(nudge)}]`;
  return fits(json, itemMaxBytes) ? json : null;
}

export interface Decoded {
  messages: SessionMessage[];
  nudges: TurnNudge[];
  gatewayNudges: GatewayNudge[];
}

/** What a payload carries, in its order. Items of a kind that this version does not know are left out. */
export function decodePayload(payload: string): Decoded {
  const parsed: unknown = JSON.parse(payload);
  const messages: SessionMessage[] = [];
  const nudges: TurnNudge[] = [];
  const gatewayNudges: GatewayNudge[] = [];
  if (!Array.isArray(parsed)) return { messages, nudges, gatewayNudges };
  for (let index = 2; index < parsed.length; index += 1) {
    const item: unknown = parsed[index];
    if (!Array.isArray(item)) continue;
    if (item[0] === tags.nudge) nudges.push({ kind: item[1], turnId: item[2] });
    else if (item[0] === tags.gateway) gatewayNudges.push(item[1]);
    else addMessage(messages, item);
  }
  return { messages, nudges, gatewayNudges };
}

/** Publishers are our own processes, so an item with a tag that we know has the shape of that tag. */
function addMessage(messages: SessionMessage[], item: unknown[]): void {
  const [tag, sessionId] = item as [number, string];
  switch (tag) {
    case tags.text:
    case tags.thought: {
      const [, , messageId, attempt, offset, delta] = item as [0, string, string, number, number, string];
      const channel = tag === tags.text ? 'text' : 'thought';
      messages.push({ kind: 'delta', sessionId, messageId, attempt, channel, offset, delta });
      return;
    }
    case tags.event: {
      const event = item[1] as EventFrame;
      const last = messages.at(-1);
      if (last?.kind === 'events' && last.sessionId === event.session_id) last.events.push(event);
      else messages.push({ kind: 'events', sessionId: event.session_id, events: [event] });
      return;
    }
    case tags.announce:
      messages.push({ kind: 'announce', sessionId, lastSeq: item[2] as number });
      return;
    case tags.notice:
      messages.push({ kind: 'notice', sessionId, frame: item[2] as LiveNotice['frame'] });
      return;
  }
}
