/** A line being written; `cursor` is an offset in UTF-16 code units that never splits what is seen as one character. */
export interface Line {
  text: string;
  cursor: number;
}

export const emptyLine: Line = { text: '', cursor: 0 };

const segmenter = new Intl.Segmenter();

/** Inserts text at the cursor; control characters other than line feeds are left out, lone surrogates replaced. */
export function insert(line: Line, text: string): Line {
  const clean = [...text.replace(/\r\n?/g, '\n').replaceAll('\t', '    ')]
    .filter(isWritable)
    .join('')
    .toWellFormed();
  return {
    text: line.text.slice(0, line.cursor) + clean + line.text.slice(line.cursor),
    cursor: line.cursor + clean.length,
  };
}

function isWritable(char: string): boolean {
  const code = char.codePointAt(0) ?? 0;
  return char === '\n' || (code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code <= 0x9f));
}

export function moveTo(line: Line, cursor: number): Line {
  return { ...line, cursor: Math.max(0, Math.min(line.text.length, cursor)) };
}

export function left(line: Line): Line {
  return moveTo(line, before(line));
}

export function right(line: Line): Line {
  return moveTo(line, after(line));
}

export function backspace(line: Line): Line {
  return erase(line, before(line), line.cursor);
}

export function deleteForward(line: Line): Line {
  return erase(line, line.cursor, after(line));
}

export function eraseToStart(line: Line): Line {
  return erase(line, 0, line.cursor);
}

export function eraseToEnd(line: Line): Line {
  return erase(line, line.cursor, line.text.length);
}

export function eraseWord(line: Line): Line {
  const kept = line.text.slice(0, line.cursor).replace(/\S*\s*$/, '');
  return erase(line, kept.length, line.cursor);
}

function erase(line: Line, from: number, to: number): Line {
  return { text: line.text.slice(0, from) + line.text.slice(to), cursor: from };
}

function before(line: Line): number {
  let last = 0;
  for (const { index } of segmenter.segment(line.text)) {
    if (index >= line.cursor) break;
    last = index;
  }
  return last;
}

function after(line: Line): number {
  const segment = segmenter.segment(line.text).containing(line.cursor);
  return segment ? segment.index + segment.segment.length : line.text.length;
}
