import { expect, test } from '@jest/globals';
import { clientAddresses } from '../../src/gateway/client-address.ts';

const mapped = '0000:0000:0000:0000:0000:ffff:0a00:0007';

test('without trusted proxies only the socket says where a client is', () => {
  const addressOf = clientAddresses('');
  expect(addressOf({ remote: '10.0.0.7', forwardedFor: '203.0.113.9' })).toBe('10.0.0.7');
  expect(addressOf({ remote: mapped, forwardedFor: '' })).toBe('10.0.0.7');
  expect(addressOf({ remote: '::ffff:10.0.0.7', forwardedFor: '' })).toBe('10.0.0.7');
});

test.each([
  ['203.0.113.9', '203.0.113.9'],
  // What a client wrote itself stands before what the proxies added.
  ['1.1.1.1, 203.0.113.9', '203.0.113.9'],
  ['1.1.1.1, 203.0.113.9, 10.2.3.4', '203.0.113.9'],
  ['203.0.113.9:4711', '203.0.113.9'],
  ['[2001:db8::1]:4711', '2001:db8:0:0::/64'],
  ['10.1.1.1, 10.2.3.4', '10.1.1.1'],
  ['nonsense', '10.0.0.7'],
  ['203.0.113.9, nonsense', '10.0.0.7'],
  ['', '10.0.0.7'],
])('a trusted proxy that forwards for %p names %s', (forwardedFor, address) => {
  const addressOf = clientAddresses('10.0.0.0/8, 192.0.2.1');
  expect(addressOf({ remote: '10.0.0.7', forwardedFor })).toBe(address);
  expect(addressOf({ remote: mapped, forwardedFor })).toBe(address);
  expect(addressOf({ remote: '192.0.2.2', forwardedFor })).toBe('192.0.2.2');
});

test('an IPv6 client stands for its /64, however it is written', () => {
  const addressOf = clientAddresses('fd00::/8');
  for (const remote of ['2001:db8:1:2:3:4:5:6', '2001:0db8:0001:0002::9', '2001:DB8:1:2::']) {
    expect(addressOf({ remote, forwardedFor: '' })).toBe('2001:db8:1:2::/64');
  }
  expect(addressOf({ remote: 'fd12::1', forwardedFor: '2001:db8::1' })).toBe('2001:db8:0:0::/64');
  expect(addressOf({ remote: '::1', forwardedFor: '' })).toBe('0:0:0:0::/64');
});

test.each(['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '::/129'])('%s is refused', (entry) => {
  expect(() => clientAddresses(`127.0.0.1,${entry}`)).toThrow(
    /TRUSTED_PROXIES: .* is no address and no network/,
  );
});
