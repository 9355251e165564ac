import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { checkArguments } from '../../src/gate/schema-words.ts';
import { expectOthersFine, startBeside } from '../helpers/hostile-mcp.ts';
import { listen } from '../helpers/http-mcp.ts';
import { dir } from '../helpers/mcp-ports.ts';

test('tools with a schema that is none are not offered, and nothing is fetched for one', async () => {
  let asked = 0;
  const elsewhere = createServer((_, response) => {
    asked += 1;
    response.end('{}');
  });
  const url = await listen(elsewhere);
  const port = startBeside('lies.ts', {
    env: { ELSEWHERE: `${url}/schema.json`, EFFECTS_FILE: join(dir, 'effects') },
  });
  const names = (await port.list()).filter((tool) => tool.server === 'hostile').map((tool) => tool.name);
  expect(names).toEqual(['hostile.effect', 'hostile.backtracks']);
  for (const [tool, why] of [
    ['no_such_type', /its schema is not valid JSON Schema/],
    ['elsewhere', /refers to another document, which is never fetched/],
    ['huge', /its schema is longer than/],
    ['deep', /its schema is nested more than/],
    ['of_a_list', /its schema is not one of an object/],
  ] as const) {
    await expect(port.describe(`hostile.${tool}`, { fresh: true })).rejects.toThrow(why);
  }
  const told = await port.describe('hostile.backtracks', { fresh: true });
  expect(checkArguments(told?.inputSchema ?? {}, { a: `${'a'.repeat(50)}!` })).toMatch(
    /schema of the tool took more than/,
  );
  expect(asked).toBe(0);
  elsewhere.close();
  await expectOthersFine(port);
});
