import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTVerifyGetKey,
} from 'jose';

export interface KeySetTimings {
  /** One request to the key server. */
  timeoutMs: number;
  /** A token with an unknown key makes us ask again, at most this often. */
  cooldownMs: number;
  /** After a failed request nobody asks again for this long. */
  failureMs: number;
  /** Keys in use are read again this often, beside the work: a key that was taken back ends to count. */
  refreshMs: number;
  /** Keys that could not be read again for this long count no more. */
  staleMs: number;
}

export const keySetTimings: KeySetTimings = {
  timeoutMs: 5_000,
  cooldownMs: 10_000,
  failureMs: 1_000,
  refreshMs: 5 * 60_000,
  staleMs: 24 * 3_600_000,
};

/** Nobody can say now whether a token is good. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/**
 * The public keys of an identity provider (`JWT_JWKS_URL`). A key that is unknown is looked for at once, because
 * providers rotate them. Known keys go on working while the provider is away, for a day: nobody waits for it.
 * Rejects with {@link KeysUnavailable}, or with jose's error for a token that names no key of the set.
 * @param report told of each request that failed, at most one in `failureMs`
 */
export function openKeySet(
  url: string,
  timings: KeySetTimings,
  report: (error: unknown) => void,
): JWTVerifyGetKey {
  let askedAt = 0;
  let failedAt = 0;
  const fetchKeys: FetchImplementation = async (address, init) => {
    if (Date.now() - failedAt < timings.failureMs) throw new Error('It was asked a moment ago, and failed.');
    askedAt = Date.now();
    try {
      const response = await fetch(address, init);
      if (response.status !== 200) throw new Error(`The key server answered ${response.status}.`);
      return response;
    } catch (error) {
      failedAt = Date.now();
      report(error);
      throw error;
    }
  };
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: timings.timeoutMs,
    cooldownDuration: timings.cooldownMs,
    cacheMaxAge: timings.staleMs,
    [customFetch]: fetchKeys,
  });
  const refresh = () => {
    if (!keys.fresh || keys.reloading || Date.now() - askedAt < timings.refreshMs) return;
    // What failed is reported and tried again after as long; until then the known keys do.
    keys.reload().catch(() => undefined);
  };
  return async (header, token) => {
    refresh();
    try {
      return await keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      throw new KeysUnavailable('The key set cannot be read.', { cause: error });
    }
  };
}

function isOfToken(error: unknown): boolean {
  return [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported].some(
    (kind) => error instanceof kind,
  );
}
