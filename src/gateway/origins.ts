import { PublicError } from '../protocol/errors.ts';
/** Whether a request that says this `Origin` may talk to us. Programs send none. */
export type OriginCheck = (origin: string) => boolean;

/**
 * Browsers may connect from the gateway's own address and from the listed origins, compared exactly.
 * The `Host` header is not asked: a page that rebinds its own name to this machine would pass.
 */
export function originCheck(options: { allowed: string; host: string; port: number }): OriginCheck {
  const listed = options.allowed.split(',').map((origin) => origin.trim().toLowerCase());
  const local = ['127.0.0.1', 'localhost', '[::1]'];
  const isLocal = ['127.0.0.1', 'localhost', '::1', '0.0.0.0', '::'].includes(options.host);
  const hosts = isLocal ? local : [options.host.includes(':') ? `[${options.host}]` : options.host];
  const own = hosts.map((host) => `http://${host}:${options.port}`);
  const origins = new Set([...listed, ...own].filter((origin) => origin !== ''));
  return (origin) => origin === '' || origins.has(origin.toLowerCase());
}

export function foreignOrigin(): PublicError {
  return new PublicError(
    'forbidden',
    'Pages of this origin may not use this gateway. Its operator lists origins in ALLOWED_ORIGINS.',
  );
}
