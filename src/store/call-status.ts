import type { ToolResultStatus } from '../protocol/frame-parts.ts';

const openStatuses = ['waiting', 'ready', 'running', 'asking'] as const;
/** Of a call without its result. `asking`: it was sent and lost, and a person is asked what became of it. */
export type OpenStatus = (typeof openStatuses)[number];
export type CallStatus = OpenStatus | ToolResultStatus;

export function isOpen(status: CallStatus): status is OpenStatus {
  return (openStatuses as readonly CallStatus[]).includes(status);
}
