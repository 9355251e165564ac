import { errorText } from '../../protocol/error-text.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { FindTarget } from '../chat/target.ts';
import { CommandFailure } from './failure.ts';
import { safe } from './words.ts';

const timeoutMs = 30_000;

interface Problem {
  code?: ErrorCode;
  detail?: string;
}

/** Asks the gateway; answers the body. @throws CommandFailure */
export type Ask = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) => Promise<T>;

export function createAsk(findTarget: FindTarget): Ask {
  return async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const { http, token } = findTarget();
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${http}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      throw new CommandFailure(
        'failed',
        `Nothing answers at ${http} (${errorText(error)}). Does it run there?`,
      );
    }
    const parsed = parsedOf(text);
    if (response.ok && parsed !== undefined) return parsed as T;
    throw refusal(http, response.status, (parsed ?? {}) as Problem);
  };
}

function parsedOf(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    // Something else than a gateway answers; the status says what.
    return undefined;
  }
}

function refusal(http: string, status: number, { code, detail }: Problem): CommandFailure {
  if (code === undefined || detail === undefined) {
    return new CommandFailure(
      'failed',
      `What answers at ${http} is no gateway of this version (status ${status}).`,
    );
  }
  const words = safe(detail);
  switch (code) {
    case 'conflict':
    case 'not_found':
      return new CommandFailure(code, words);
    case 'unauthorized':
      return new CommandFailure(
        'forbidden',
        `The gateway at ${http} does not accept the token: ${words} \`turngate token\` makes a new one.`,
      );
    case 'forbidden':
      return new CommandFailure('forbidden', words);
    default:
      return new CommandFailure('failed', `The gateway refused: ${words}`);
  }
}

/** A path with its query; what is undefined is left out. */
export function pathOf(path: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
