import { expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call } from '../helpers/mcp-ports.ts';

const open = () => startBeside('babbles.ts', { turngate: { timeoutMs: 800 } });

test.each(['wrong_id', 'malformed', 'both'])('%s is no answer', async (kind) => {
  const port = open();
  await port.list();
  expectToolError(await call(port, `hostile.${kind}`), 'unknown', /gave no answer within 800 ms/);
  await expectOthersFine(port);
});

test('an answer that cannot be read leaves the outcome unknown', async () => {
  const port = open();
  await port.list();
  expectToolError(await call(port, 'hostile.no_answer'), 'unknown', /cannot be read/);
  await expectOthersFine(port);
});

test('of two answers the first counts', async () => {
  const port = open();
  await port.list();
  expect(await call(port, 'hostile.twice')).toMatchObject({ status: 'completed', text: 'first' });
  await expectOthersFine(port);
});

test('data nested without end, and parts that are none, are told in words', async () => {
  const port = open();
  await port.list();
  expect(await call(port, 'hostile.deep')).toMatchObject({
    status: 'completed',
    text: '[data: nested too deep to be shown]',
    result: { cut: true },
  });
  const odd = await call(port, 'hostile.odd_parts');
  expect(odd.text).toMatch(
    /^\[part: cannot be shown as text\]\n\[part: .*\n\[hologram: cannot be shown as text\]\na\n/,
  );
  expect(odd.text).toMatch(/\[4003 more parts are left out\]$/);
  await expectOthersFine(port);
});
