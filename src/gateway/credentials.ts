const protocolName = 'turngate.v1';
const bearerPrefix = 'bearer.';

export interface Credentials {
  /** At most one of the two is there. */
  token: string | null;
  ticket: string | null;
  /** The subprotocol to answer with; empty answers none. */
  protocol: string;
}

/**
 * What a WebSocket request brings: the first that is there of `Authorization: Bearer`, `?ticket=`,
 * `Sec-WebSocket-Protocol: turngate.v1, bearer.<JWT>` and `?token=`.
 */
export function readCredentials(request: {
  authorization: string;
  protocols: string;
  query: URLSearchParams;
}): Credentials {
  const offered = request.protocols
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const bearer = offered.find((name) => name.startsWith(bearerPrefix))?.slice(bearerPrefix.length);
  const protocol = offered.includes(protocolName) ? protocolName : '';
  const header = bearerToken(request.authorization);
  const ticket = header === null ? request.query.get('ticket') : null;
  const token = ticket === null ? (header ?? bearer ?? request.query.get('token')) : null;
  return { token, ticket, protocol };
}

/** The token of a request for an event stream: a browser's `EventSource` can send no header. */
export function streamToken(call: { accept: string; query: URLSearchParams }): string | null {
  return wantsStream(call) ? call.query.get('token') : null;
}

/** Whether server-sent events are asked for. */
export function wantsStream({ accept }: { accept: string }): boolean {
  return accept.toLowerCase().includes('text/event-stream');
}

/** The token of an `Authorization` header, or null. */
export function bearerToken(authorization: string): string | null {
  const match = /^bearer +(\S+)$/i.exec(authorization.trim());
  return match?.[1] ?? null;
}
