/**
 * Tells whoever started this process that it is ready: a message on the IPC channel, where there is one.
 * @param info what the starter must know, such as `{ http, ws }` of a gateway
 */
export function announceReady(info: Record<string, unknown>): void {
  process.send?.({ type: 'ready', ...info });
}
