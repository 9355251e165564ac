import { ModelError } from './port.ts';

/** Longest event; a model's chunk has a few hundred characters. */
const eventChars = 4 * 1024 * 1024;

export interface SseReader {
  /** @throws ModelError when one event is larger than any model sends */
  push(text: string): void;
  /** At the end of the stream: gives on an event that no empty line closed. */
  end(): void;
}

/** Takes server-sent events apart; only their data matters here. Lines may end in LF or CRLF. */
export function createSseReader(onData: (data: string) => void): SseReader {
  let rest = '';
  let data: string | undefined;

  function take(line: string): void {
    if (line === '') flush();
    if (!line.startsWith('data:')) return;
    const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5);
    data = data === undefined ? value : `${data}\n${value}`;
    if (data.length > eventChars) throw tooLarge();
  }

  function flush(): void {
    if (data === undefined) return;
    const complete = data;
    data = undefined;
    onData(complete);
  }

  return {
    push(text) {
      const input = rest === '' ? text : rest + text;
      let from = 0;
      for (let end = input.indexOf('\n'); end !== -1; end = input.indexOf('\n', from)) {
        take(input.slice(from, end > from && input.charCodeAt(end - 1) === 13 ? end - 1 : end));
        from = end + 1;
      }
      rest = input.slice(from);
      if (rest.length > eventChars) throw tooLarge();
    },
    end() {
      if (rest !== '') take(rest);
      rest = '';
      flush();
    },
  };
}

function tooLarge(): ModelError {
  return new ModelError('Dropped', 'The model server sent a piece that is larger than any model sends.');
}
