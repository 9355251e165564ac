/** When a JWT ends, in milliseconds since 1970; null where it does not say, or is none. */
export function expiryOf(token: string): number | null {
  const [, claims = ''] = token.split('.');
  try {
    const parsed: unknown = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')));
    const exp = typeof parsed === 'object' && parsed !== null && 'exp' in parsed ? parsed.exp : null;
    return typeof exp === 'number' ? exp * 1_000 : null;
  } catch {
    // No JWT of ours; whoever issued it knows when it ends.
    return null;
  }
}
