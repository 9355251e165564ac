import { expect, test } from '@jest/globals';
import { type McpServers, parseMcpConfig } from '../../src/tools/mcp-config.ts';
import { resolveServer } from '../../src/tools/mcp-references.ts';

function resolve(server: McpServers[string], env: NodeJS.ProcessEnv) {
  const parsed = parseMcpConfig('It', { mcpServers: { a: server } }).mcpServers.a;
  if (parsed === undefined) throw new Error('There is no server a.');
  return resolveServer('a', parsed, env);
}

test('references are filled in everywhere, with their defaults', () => {
  const raw = {
    command: `\${DIR}/run`,
    args: [`--at=\${DIR}`, `\${NONE:-five}`],
    env: { WHERE: `\${DIR}` },
    cwd: `\${DIR}`,
  };
  expect(resolve(raw, { DIR: '/srv' }).server).toMatchObject({
    command: '/srv/run',
    args: ['--at=/srv', 'five'],
    env: { WHERE: '/srv' },
    cwd: '/srv',
  });
  const web = { type: 'http' as const, url: `https://\${HOST}/mcp`, headers: { 'X-Team': `\${TEAM:-all}` } };
  expect(resolve(web, { HOST: 'mcp.example.com' }).server).toMatchObject({
    url: 'https://mcp.example.com/mcp',
    headers: { 'X-Team': 'all' },
  });
});

test('what is not set is named', () => {
  expect(() => resolve({ command: `\${NOWHERE}` }, {})).toThrow(
    /server "a" refers to \$\{NOWHERE\}, which is not set/,
  );
});

test('values that may be secrets are hidden, others are not', () => {
  const env = {
    SESSION_SECRET: 's3cret-one',
    TOKEN: 't0ken-two',
    LONG: 't0ken-two-and-more',
    DIR: '/srv/data',
    PIN: '12',
  };
  const web = {
    type: 'http' as const,
    url: `https://mcp.example.com/?key=\${SESSION_SECRET}`,
    headers: { Authorization: `Bearer \${TOKEN}`, 'X-Long': `\${LONG}`, 'X-Pin': `\${PIN}` },
  };
  const said = 's3cret-one, t0ken-two, t0ken-two-and-more, /srv/data, 12';
  expect(resolve(web, env).hide(said)).toBe('[hidden], [hidden], [hidden], /srv/data, 12');
  const child = { command: 'x', args: [`\${DIR}`], env: { API_KEY: `\${LONG}`, DIR: `\${DIR}` } };
  expect(resolve(child, env).hide(said)).toBe('s3cret-one, t0ken-two, [hidden], /srv/data, 12');
});
