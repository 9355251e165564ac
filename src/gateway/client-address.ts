import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { BlockList, isIP } from 'node:net';

/** Where a request came from: the peer of the socket, and what proxies say of those before them. */
export interface Route {
  /** As uWebSockets.js writes it. */
  remote: string;
  /** `X-Forwarded-For`; empty where there is none. */
  forwardedFor: string;
}

/** To be read before the request's handler returns. */
export function routeOf(res: HttpResponse, req: HttpRequest): Route {
  const remote = Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
  return { remote, forwardedFor: req.getHeader('x-forwarded-for') };
}

/** The address of a client; an IPv6 one stands for its /64, which one client has to itself. */
export type ClientAddress = (route: Route) => string;

/**
 * Reads client addresses. Only what a trusted proxy says is believed: anybody can send `X-Forwarded-For`.
 * @param trusted comma list of addresses and networks (`10.0.0.0/8`) of proxies
 * @throws Error for what is neither
 */
export function clientAddresses(trusted: string): ClientAddress {
  const proxies = proxyList(trusted);
  const isProxy = (address: string) => {
    const family = isIP(address);
    return family !== 0 && proxies.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
  return ({ remote, forwardedFor }) => {
    let address = plain(remote);
    if (!isProxy(address)) return countedAs(address);
    const hops = forwardedFor.split(',').map((hop) => plain(hop.trim()));
    for (const hop of hops.toReversed()) {
      if (isIP(hop) === 0) break;
      address = hop;
      if (!isProxy(hop)) break;
    }
    return countedAs(address);
  };
}

function proxyList(trusted: string): BlockList {
  const list = new BlockList();
  const entries = trusted.split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((text) => text !== '')) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address);
    const width = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? width : Number(bits);
    if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > width || bits === '') {
      throw new Error(
        `TRUSTED_PROXIES: "${entry}" is no address and no network. Write 10.0.0.7 or 10.0.0.0/8.`,
      );
    }
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** IPv4 that came over an IPv6 socket as itself; brackets and ports, which some proxies add, taken off. */
function plain(text: string): string {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  if (isIP(bare) !== 6) return bare;
  const groups = groupsOf(bare);
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return bare;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function countedAs(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = groupsOf(address).slice(0, 4);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address.split('%')[0] ?? '');
  const [, start = '', ...bytes] = dotted ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
  const hex = dotted ? `${start}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}` : address;
  const [head = '', tail] = (hex.split('%')[0] ?? '').split('::');
  const read = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = read(head);
  const after = tail === undefined ? [] : read(tail);
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
