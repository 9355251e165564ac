const protocolName = 'turngate.v1';
const bearerPrefix = 'bearer.';

export interface Credentials {
  token: string | null;
  /** The subprotocol to answer with; empty answers none. */
  protocol: string;
}

/**
 * The token of a WebSocket request, from `Authorization: Bearer`, `Sec-WebSocket-Protocol: turngate.v1,
 * bearer.<JWT>` or `?token=`, in this order.
 */
export function readCredentials(request: {
  authorization: string;
  protocols: string;
  token: string | undefined;
}): Credentials {
  const offered = request.protocols
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const bearer = offered.find((name) => name.startsWith(bearerPrefix))?.slice(bearerPrefix.length);
  const protocol = offered.includes(protocolName) ? protocolName : '';
  return { token: bearerToken(request.authorization) ?? bearer ?? request.token ?? null, protocol };
}

/** The token of an `Authorization` header, or null. */
export function bearerToken(authorization: string): string | null {
  const match = /^bearer +(\S+)$/i.exec(authorization.trim());
  return match?.[1] ?? null;
}
