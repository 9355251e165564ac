import { expect } from '@jest/globals';
import { problem } from '../../src/protocol/http.ts';

/** Asks a gateway for JSON. `body` that is a string goes out as it is. */
export async function askJson(
  url: string,
  options: { token?: string | null; method?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const { token, body } = options;
  const response = await fetch(url, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...options.headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}
export type JsonReply = Awaited<ReturnType<typeof askJson>>;

/** Checks that an answer is a problem as it should be, and answers its status and code. */
export function problemIn(reply: JsonReply): [number, string] {
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  const parsed = problem.parse(reply.body);
  expect(parsed.status).toBe(reply.status);
  expect(parsed.detail).not.toBe('');
  return [reply.status, parsed.code];
}
