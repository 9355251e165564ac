import { checkArguments } from '../gate/schema-words.ts';
import { misfitRules } from '../store/misfits.ts';
import type { ParsedArguments } from '../tools/arguments.ts';
import type { ToolDescriptor } from '../tools/port.ts';

/**
 * Holds the arguments that a model wrote against the tool, and counts how often in a row they were wrong: the model hears
 * why and may mend them, but not for ever. After `max` times the turn goes on without the tool.
 */
export class ArgumentCheck {
  readonly #inRow: Map<string, number>;
  readonly #max: number;

  /** @param inRow of the steps before this one, by `server.tool` */
  constructor(inRow: ReadonlyMap<string, number>, max: number) {
    this.#inRow = new Map(inRow);
    this.#max = max;
  }

  hasGivenUp(tool: string): boolean {
    return (this.#inRow.get(tool) ?? 0) >= this.#max;
  }

  /** @returns the rule and the words to refuse a call with; null where its arguments fit, or nobody knows the tool */
  judge(
    tool: string,
    descriptor: ToolDescriptor | undefined,
    parsed: ParsedArguments,
  ): { rule: string; reason: string } | null {
    if (this.hasGivenUp(tool)) {
      const reason = `${tool} cannot be used in the rest of this turn: its arguments were wrong ${this.#max} times in a row. Go on without it, and say what could not be done.`;
      return { rule: misfitRules.givenUp, reason };
    }
    const fault = parsed.ok ? misfitOf(descriptor, parsed.arguments) : parsed.error;
    const times = fault === null ? 0 : (this.#inRow.get(tool) ?? 0) + 1;
    this.#inRow.set(tool, times);
    if (fault === null) return null;
    const then =
      times < this.#max
        ? 'Mend them and call it again.'
        : `That was ${times} times in a row; do not call ${tool} again in this turn.`;
    return { rule: misfitRules.wrong, reason: `${fault} ${then}` };
  }
}

function misfitOf(descriptor: ToolDescriptor | undefined, args: Record<string, unknown>): string | null {
  return descriptor === undefined ? null : checkArguments(descriptor.inputSchema, args);
}
