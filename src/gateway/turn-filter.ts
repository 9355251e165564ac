import type { ServerFrame } from '../protocol/server-frames.ts';
import { type FrameFilter, isAlwaysSent } from './frame-filter.ts';

/** Lets through what belongs to one turn. Frames that do not name their turn are known by a message or call of it. */
export function turnFilter(turnId: string): FrameFilter {
  const parts = new Set<string>();
  return (frame) => {
    if (isAlwaysSent(frame)) return true;
    const named = 'turn_id' in frame ? frame.turn_id : undefined;
    const ids = partsOf(frame);
    if (named === undefined) return ids.some((id) => parts.has(id));
    if (named !== turnId) return false;
    for (const id of ids) parts.add(id);
    return true;
  };
}

function partsOf(frame: ServerFrame): string[] {
  const ids: string[] = [];
  if ('message_id' in frame && frame.message_id !== undefined) ids.push(frame.message_id);
  if ('tool_call_id' in frame && frame.tool_call_id !== undefined) ids.push(frame.tool_call_id);
  return ids;
}
