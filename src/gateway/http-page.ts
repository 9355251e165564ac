import type { HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { PublicError } from '../protocol/errors.ts';
import { endSteadily, problemOf, problemType, writeAnswer } from './http-answer.ts';

const files = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
  { path: '/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
];

/** Nothing but what this gateway serves runs, loads or is called, whatever a message says. */
const policy = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self'`,
  `connect-src 'self'`,
  `img-src 'self' data:`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

const built = new URL('../../dist/page/', import.meta.url);

/** The static page at `/`, read once. It holds no secret: a token comes from its own address's fragment, or is asked for. */
export function servePage(app: TemplatedApp): void {
  for (const { path, file, type } of files) {
    const url = new URL(file, built);
    if (!existsSync(url)) {
      const missing = new PublicError('not_found', 'The page is not built. Run: npm run build');
      app.get(path, (res) => writeAnswer(res, problemOf(missing), [], problemType));
      continue;
    }
    const content = readFileSync(url);
    const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
    app.get(path, (res, req) => {
      const isKnown = req.getHeader('if-none-match') === tag;
      // uWebSockets.js wants somebody to hear it; nothing here outlives the answer.
      res.onAborted(() => undefined);
      res.cork(() => {
        res.writeStatus(isKnown ? '304 Not Modified' : '200 OK');
        writeHeaders(res, type, tag);
        if (isKnown) res.endWithoutBody();
        else endSteadily(res, content);
      });
    });
  }
}

function writeHeaders(res: HttpResponse, type: string, tag: string): void {
  res.writeHeader('Content-Type', type);
  res.writeHeader('ETag', tag);
  // Asked for each time, so that a new gateway is never seen through an old page.
  res.writeHeader('Cache-Control', 'no-cache');
  res.writeHeader('Content-Security-Policy', policy);
  res.writeHeader('X-Content-Type-Options', 'nosniff');
  res.writeHeader('Referrer-Policy', 'no-referrer');
}
