import type {
  ApprovalOutcome,
  AskedAgain,
  GateDecision,
  InputAction,
  ToolResultStatus,
  TurnEndStatus,
} from '../../protocol/server-frames.ts';

/** Something that is final and is printed once. */
export type LogItem =
  | { kind: 'user'; text: string }
  | { kind: 'assistant'; text: string; thought: string }
  | { kind: 'tool_call'; tool: string; arguments: unknown; gate: GateDecision; rule?: string; reason: string }
  | {
      kind: 'decision';
      tool: string;
      arguments: unknown;
      outcome: ApprovalOutcome;
      by: string;
      reason?: string;
      /** What runs instead. */
      edited?: unknown;
      remember?: 'session' | 'always';
    }
  | { kind: 'asked_again'; tool: string; arguments: unknown; because: AskedAgain; reason: string }
  | { kind: 'vote'; tool: string; arguments: unknown; by: string; approvals: number; needed: number }
  | { kind: 'late_result'; tool: string; arguments: unknown; status: string; text: string }
  | { kind: 'question'; message: string }
  | { kind: 'answer'; action: InputAction; by: string; content: unknown }
  | { kind: 'tool_result'; tool: string; arguments: unknown; status: ToolResultStatus; text: string }
  | { kind: 'turn_end'; status: Exclude<TurnEndStatus, 'completed'>; text: string }
  | { kind: 'notice'; text: string };

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
