import { describe, expect, test } from '@jest/globals';
import { addressFault, checkedLookup, isInnerHost, plainHost } from '../../src/tools/mcp-address.ts';

describe('addressFault', () => {
  test.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '0.0.0.0',
    '::',
  ])('never %s, even where inner addresses are meant', (address) => {
    expect(addressFault(address, true)).toMatch(/no MCP server may have/);
  });

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.20.0.9',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    '::ffff:127.0.0.1',
    'fd12::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])('%s only where inner addresses are meant', (address) => {
    expect(addressFault(address, false)).toMatch(/own machine or network/);
    expect(addressFault(address, true)).toBeNull();
  });

  test.each(['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])('%s always', (address) => {
    expect(addressFault(address, false)).toBeNull();
  });
});

test.each([
  ['http://localhost:3000/mcp', true],
  ['http://tools:3000/mcp', true],
  ['http://mcp.office.internal/', true],
  ['http://127.0.0.1/', true],
  ['http://0x7f.1/', true],
  ['http://[::1]/', true],
  ['http://[::ffff:10.0.0.1]/', true],
  ['https://mcp.example.com./', false],
  ['https://localhost.example.com/', false],
  ['https://8.8.8.8/', false],
])('%s says by itself that it is an inner host: %s', (url, isInner) => {
  expect(isInnerHost(plainHost(new URL(url)))).toBe(isInner);
});

describe('checkedLookup', () => {
  const look = (mayBeInner: boolean) =>
    new Promise((resolve) => {
      checkedLookup(mayBeInner)('localhost', { all: true }, (error, addresses) =>
        resolve(error ?? addresses),
      );
    });

  test('refuses a name that stands for an inner address', async () => {
    expect(String(await look(false))).toContain('"localhost" stands for an address of the own machine');
  });

  test('gives what it checked', async () => {
    expect(await look(true)).toEqual(
      expect.arrayContaining([expect.objectContaining({ family: expect.any(Number) })]),
    );
  });
});
