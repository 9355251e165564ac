import type {
  ApprovalOutcome,
  AskedAgain,
  GateDecision,
  InputAction,
  ToolResultStatus,
  TurnEndStatus,
} from '../../protocol/frame-parts.ts';

/** A call as lines name it: by a number where people are asked about it, because several may look much the same. */
export interface Called {
  tool: string;
  arguments: unknown;
  number?: number;
}

/** Something that is final and is printed once. */
export type LogItem =
  | { kind: 'user'; text: string }
  | { kind: 'assistant'; text: string; thought: string }
  | ({ kind: 'tool_call'; gate: GateDecision; rule?: string; reason: string } & Called)
  | ({
      kind: 'decision';
      outcome: ApprovalOutcome;
      by: string;
      reason?: string;
      /** What runs instead. */
      edited?: unknown;
      remember?: 'session' | 'always';
    } & Called)
  | ({ kind: 'asked_again'; because: AskedAgain; reason: string } & Called)
  | ({ kind: 'vote'; by: string; approvals: number; needed: number } & Called)
  | ({ kind: 'late_result'; status: string; text: string } & Called)
  | { kind: 'question'; message: string }
  | { kind: 'answer'; action: InputAction; by: string; content: unknown }
  | ({ kind: 'tool_result'; status: ToolResultStatus; text: string } & Called)
  | { kind: 'turn_end'; status: Exclude<TurnEndStatus, 'completed'>; text: string }
  | { kind: 'notice'; text: string };

/** `#2 office.send_mail`. */
export function nameOf({ tool, number }: { tool: string; number?: number | undefined }): string {
  return number === undefined ? tool : `#${number} ${tool}`;
}

/** What a tool answered, as text: an MCP result's text parts, else its JSON. */
export function resultText(result: unknown): string {
  if (result === null || result === undefined) return '';
  const content = typeof result === 'object' && 'content' in result ? result.content : undefined;
  if (!Array.isArray(content)) return typeof result === 'string' ? result : JSON.stringify(result);
  return content.map(partText).join('\n');
}

function partText(part: unknown): string {
  const isText = typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string';
  return isText ? String(part.text) : JSON.stringify(part);
}
