import type { HttpResponse } from 'uWebSockets.js';
import { endSteadily, type HttpStream, writeHead } from './http-answer.ts';
import type { HttpCall } from './http-call.ts';

export interface FileAnswer {
  type: string;
  headers: [string, string][];
  bytes: Buffer;
}

/** Whoever takes longer to read a file is cut off. */
const sendMs = 120_000;

/**
 * A file, written as fast as its reader reads.
 * @param done called once, when it is out or the reader has gone
 */
export function fileAnswer(
  call: Pick<HttpCall, 'onAborted'>,
  file: FileAnswer,
  done: () => void,
): HttpStream {
  return {
    stream: (res, headers) => {
      const cutOff = setTimeout(() => res.close(), sendMs);
      const end = () => {
        clearTimeout(cutOff);
        done();
      };
      call.onAborted(end);
      write(res, file, headers, end);
    },
    abandon: done,
  };
}

function write(res: HttpResponse, file: FileAnswer, headers: [string, string][], end: () => void): void {
  const { bytes } = file;
  res.onWritable((offset) => {
    const [isWritten, isOver] = res.tryEnd(bytes.subarray(offset), bytes.length);
    if (isOver) end();
    return isWritten;
  });
  res.cork(() => {
    writeHead(res, { status: 200, headers: file.headers }, headers, file.type);
    const [, isOver] = res.tryEnd(bytes, bytes.length);
    if (isOver) end();
  });
}

/** A text that is no JSON. */
export function textAnswer(type: string, text: string): HttpStream {
  return {
    stream: (res, headers) => {
      res.cork(() => {
        writeHead(res, { status: 200 }, headers, type);
        endSteadily(res, Buffer.from(text));
      });
    },
    abandon: () => undefined,
  };
}
