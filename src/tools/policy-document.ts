import { LineCounter, parseDocument } from 'yaml';

const aliasesMax = 100;

export interface DocumentFault {
  /** From 1; null where it lies in no line. */
  line: number | null;
  message: string;
}

/** A YAML text as a value, with the lines that its parts stand in. */
export type PolicyDocument =
  | { ok: true; value: unknown; lineOf(path: readonly PropertyKey[]): number | null }
  | { ok: false; faults: DocumentFault[] };

export function readDocument(text: string): PolicyDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number | undefined) => (offset === undefined ? null : lines.linePos(offset).line);
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      line: lineAt(error.pos[0]),
      message: `is not valid YAML: ${error.message}`,
    }));
    return { ok: false, faults };
  }
  /** Where the thing at this path begins, or what it lies in where it is missing. */
  const lineOf = (path: readonly PropertyKey[]) => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      if (node !== null && typeof node === 'object' && 'range' in node && Array.isArray(node.range)) {
        return lineAt(Number(node.range[0]));
      }
    }
    return null;
  };
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: aliasesMax }), lineOf };
  } catch (error) {
    return { ok: false, faults: [{ line: null, message: `cannot be read: ${String(error)}` }] };
  }
}
