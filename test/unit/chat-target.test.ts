import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { targetFinder } from '../../src/cli/chat/target.ts';

let data: string;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'turngate-target-'));
});
afterAll(() => rmSync(data, { recursive: true }));

describe('where the gateway is', () => {
  test('is read anew each time from the folder of turngate dev', () => {
    const find = targetFinder({ data });
    expect(find).toThrow(/^No Turngate runs here \(there is no .*dev\.json\)\. Run `npm start`/);
    const write = (port: number) => {
      const at = { http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}`, token: 'mine', more: 1 };
      writeFileSync(join(data, 'dev.json'), JSON.stringify(at));
    };
    write(1);
    expect(find()).toEqual({ http: 'http://127.0.0.1:1', ws: 'ws://127.0.0.1:1', token: 'mine' });
    write(2);
    expect(targetFinder({ data, token: 'other' })()).toMatchObject({
      ws: 'ws://127.0.0.1:2',
      token: 'other',
    });
    expect(find().ws).toBe('ws://127.0.0.1:2');
    writeFileSync(join(data, 'dev.json'), '{}');
    expect(find).toThrow(/dev\.json cannot be read/);
    writeFileSync(join(data, 'dev.json'), '{');
    expect(find).toThrow(/dev\.json cannot be read/);
  });

  test.each([
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080', 'ws://127.0.0.1:8080'],
    ['wss://chat.example.com/some/path', 'https://chat.example.com', 'wss://chat.example.com'],
  ])('may be given as %s', (url, http, ws) => {
    expect(targetFinder({ data, url, token: 't' })()).toEqual({ http, ws, token: 't' });
  });

  test('an address needs a token, and must be one', () => {
    expect(() => targetFinder({ data, url: 'http://127.0.0.1:1' })).toThrow(/^--url needs --token/);
    for (const url of ['here', 'ftp://127.0.0.1', '127.0.0.1:8080']) {
      expect(() => targetFinder({ data, url, token: 't' })).toThrow(`--url got "${url}"`);
    }
  });
});
