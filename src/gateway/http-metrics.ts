import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { PublicError } from '../protocol/errors.ts';
import { bearerToken } from './credentials.ts';
import { textAnswer } from './http-file.ts';
import type { HttpRouter } from './http-router.ts';

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
const about = {
  summary: 'Numbers for Prometheus.',
  answers: { 200: { [contentType]: z.string() } },
};

/**
 * `/metrics`. It says how much, never who or what, and those who scrape have no token of a user: so none is asked,
 * unless a setting names one.
 */
export function serveMetrics(
  router: HttpRouter,
  deps: { render(): Promise<string>; token: string | undefined },
): void {
  router.open('/metrics', about, async (call) => {
    const { token } = deps;
    if (token !== undefined && !isEqual(bearerToken(call.authorization) ?? '', token)) {
      throw new PublicError('unauthorized', 'Send "Authorization: Bearer" with the METRICS_TOKEN.');
    }
    return textAnswer(contentType, await deps.render());
  });
}

/** In a time that says nothing of where they differ. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
