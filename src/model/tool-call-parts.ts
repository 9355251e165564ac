import { randomUUID } from 'node:crypto';
import { cleanText } from '../protocol/text.ts';
import { prop, text } from './json-access.ts';
import { ModelError, type ModelToolCall } from './port.ts';

const maxToolCalls = 128;
const argumentsChars = 1024 * 1024;

interface Part extends ModelToolCall {
  index: unknown;
}

export interface ToolCallParts {
  /** @throws ModelError when a model asks for more than any sane one would */
  push(deltas: unknown): void;
  calls(): ModelToolCall[];
}

/**
 * Puts tool calls together from their fragments. Servers differ: most number the calls and give id and name
 * once; some send each call whole, all with the same number or none; some give no ids.
 */
export function createToolCallParts(): ToolCallParts {
  const parts: Part[] = [];

  function partFor(index: unknown, id: string): Part {
    const known = index === undefined ? parts.at(-1) : parts.findLast((part) => part.index === index);
    if (known !== undefined && (id === '' || known.id === '' || known.id === id)) return known;
    const fresh = { index, id: '', name: '', arguments: '' };
    parts.push(fresh);
    if (parts.length > maxToolCalls) throw runaway();
    return fresh;
  }

  return {
    push(deltas) {
      if (!Array.isArray(deltas)) return;
      for (const delta of deltas) {
        const id = text(prop(delta, 'id'));
        const part = partFor(prop(delta, 'index'), id);
        const called = prop(delta, 'function');
        part.id ||= id;
        part.name ||= text(prop(called, 'name'));
        const written = prop(called, 'arguments');
        part.arguments +=
          typeof written === 'object' && written !== null ? JSON.stringify(written) : text(written);
        if (part.arguments.length > argumentsChars) throw runaway();
      }
    },
    calls() {
      const used = new Set<string>();
      return parts.map((part) => {
        const id = part.id === '' || used.has(part.id) ? `call_${randomUUID()}` : cleanText(part.id);
        used.add(id);
        return { id, name: cleanText(part.name), arguments: cleanText(part.arguments) };
      });
    },
  };
}

function runaway(): ModelError {
  return new ModelError('Dropped', 'The model asked for more, or longer, tool calls than can be taken.');
}
