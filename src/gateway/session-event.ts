import type { EventBody, EventFrame, EventType } from '../protocol/server-frames.ts';

type Durable = { seq: number; session_id: string; ts: number; turn_id?: string };

/** A durable frame whose `type` tells the compiler its fields. */
export type SessionEvent = { [T in EventType]: { type: T } & Durable & EventBody<T> }[EventType];

/** The same frame; the inferred type of the wire schema does not tell one event from another. */
export function sessionEvent(frame: EventFrame): SessionEvent {
  return frame as unknown as SessionEvent;
}
