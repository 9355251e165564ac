import { PublicError } from '../protocol/errors.ts';
import { type ServerFrame, serverFrameTypes } from '../protocol/server-frames.ts';

/** Which frames a client asked for. May remember what it was asked about: it sees every frame once, in its order. */
export type FrameFilter = (frame: ServerFrame) => boolean;

/** Answers to what the client does itself, and what keeps a stream honest: no filter holds these back. */
const always = new Set<ServerFrame['type']>(['welcome', 'ack', 'error', 'ping', 'pong', 'cursor', 'resync']);

/**
 * The filter of the query `events`: a comma list of frame types; null, the absent query, lets everything through.
 * @throws PublicError `validation_error` for a type that no frame has
 */
export function filterOf(events: string | null): FrameFilter | null {
  if (events === null) return null;
  const types = new Set(events.split(',').map((type) => type.trim()));
  for (const type of types) {
    if (serverFrameTypes.has(type)) continue;
    const named = type.slice(0, 64);
    throw new PublicError(
      'validation_error',
      `The query "events" is a comma list of frame types; "${named}" is none. Leave the query out to get all.`,
    );
  }
  return (frame) => types.has(frame.type) || isAlwaysSent(frame);
}

/** No filter holds this back. */
export function isAlwaysSent(frame: ServerFrame): boolean {
  return always.has(frame.type);
}

/** In a feed nothing runs, so nothing is said of it. */
export function feedFilter(asked: FrameFilter | null): FrameFilter {
  return (frame) => frame.type !== 'agent_status' && (asked === null || asked(frame));
}
