/** Where the page keeps what it must know after a reload. */
const tokenKey = 'turngate.token';
const deviceKey = 'turngate.device';

/** The token of the address's fragment, which no server ever sees, or that of the last visit. */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) return localStorage.getItem(tokenKey);
  keepToken(token);
  fragment.delete('token');
  // Out of the address bar, so that nobody shares it with a link.
  history.replaceState(null, '', `${location.pathname}#${fragment}`);
  return token;
}

export function keepToken(token: string | null): void {
  if (token === null) localStorage.removeItem(tokenKey);
  else localStorage.setItem(tokenKey, token);
}

/** A tab is a device, also after a reload. */
export function deviceOfTab(): string {
  const known = sessionStorage.getItem(deviceKey);
  if (known !== null) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const made = `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  sessionStorage.setItem(deviceKey, made);
  return made;
}

/** The session that the address names. */
export function sessionOfAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('session');
}

export function setSessionOfAddress(id: string | null): void {
  const wanted = id === null ? '#' : `#session=${encodeURIComponent(id)}`;
  if (location.hash !== wanted) location.hash = wanted;
}
