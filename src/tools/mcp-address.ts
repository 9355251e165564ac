import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

type Network = [address: string, bits: number];

/** Where clouds keep the keys of their machines, and what no server stands at. Never connected to. */
const never = blockList([
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['169.254.0.0', 16],
  ['192.0.0.192', 32],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  ['::', 128],
  ['fd00:ec2::', 32],
  ['fe80::', 10],
  ['ff00::', 8],
]);

/** This machine and the networks around it, also in the forms of IPv6 that stand for an address of IPv4. */
const inner = blockList([
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['240.0.0.0', 4],
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fec0::', 10],
]);

function blockList(networks: Network[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of networks)
    list.addSubnet(address, bits, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** The host of a URL as an address or a name: without the brackets of IPv6 and the root's dot. */
export function plainHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/** Whether a host says by itself that it is of this machine or network: an inner address, or a name that no public one is like. */
export function isInnerHost(host: string): boolean {
  if (isIP(host) !== 0) return isIn(inner, host);
  return !host.includes('.') || /\.(localhost|local|internal|lan|home\.arpa|test)$/i.test(host);
}

/** Why nothing is sent to this address; null where it may be. @param mayBeInner whether the host was meant to be an inner one */
export function addressFault(address: string, mayBeInner: boolean): string | null {
  if (isIn(never, address))
    return 'an address that no MCP server may have (link-local, metadata or none at all)';
  if (!mayBeInner && isIn(inner, address)) return 'an address of the own machine or network';
  return null;
}

/** The host of a server leads where it must not; nothing was sent. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Looks a name up for `http.request`. What was checked is what is connected to, so a later answer changes nothing. */
export function checkedLookup(mayBeInner: boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      const fault = error ?? refusal(host, addresses, mayBeInner);
      const [first] = addresses ?? [];
      if (fault !== null || first === undefined) callback(fault ?? new Error('no address'), '', 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function refusal(host: string, addresses: LookupAddress[], mayBeInner: boolean): AddressRefused | null {
  for (const { address } of addresses) {
    const fault = addressFault(address, mayBeInner);
    if (fault !== null) return new AddressRefused(`"${host}" stands for ${fault}`);
  }
  return null;
}
