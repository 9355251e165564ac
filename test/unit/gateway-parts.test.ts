import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { bearerToken, readCredentials } from '../../src/gateway/credentials.ts';
import { EarlyFrames } from '../../src/gateway/early-frames.ts';
import { FrameQueue } from '../../src/gateway/frame-queue.ts';
import { InFlight } from '../../src/gateway/in-flight.ts';
import { originCheck } from '../../src/gateway/origins.ts';
import { publicError } from '../../src/gateway/public-errors.ts';
import { restartDelayMs } from '../../src/gateway/restart-delay.ts';
import { PublicError } from '../../src/protocol/errors.ts';

describe('credentials', () => {
  const query = (text = '') => new URLSearchParams(text);
  const none = { authorization: '', protocols: '', query: query() };
  const protocols = 'turngate.v1, bearer.b';

  test('are taken from the header, the ticket, the subprotocol or the query, in this order', () => {
    const all = { authorization: 'Bearer a', protocols, query: query('token=c&ticket=t') };
    const headerless = { ...all, authorization: '' };
    const v1 = { protocol: 'turngate.v1' };
    expect(readCredentials(all)).toEqual({ ...v1, token: 'a', ticket: null });
    expect(readCredentials(headerless)).toEqual({ ...v1, token: null, ticket: 't' });
    const unticketed = { ...headerless, query: query('token=c') };
    expect(readCredentials(unticketed)).toEqual({ ...v1, token: 'b', ticket: null });
    expect(readCredentials({ ...none, query: query('token=c') })).toEqual({
      token: 'c',
      ticket: null,
      protocol: '',
    });
    expect(readCredentials(none)).toEqual({ token: null, ticket: null, protocol: '' });
  });

  test('a bearer header has one token', () => {
    expect(bearerToken('bearer  x.y.z ')).toBe('x.y.z');
    for (const header of ['', 'Bearer', 'Bearer a b', 'Basic abc']) expect(bearerToken(header)).toBeNull();
  });
});

describe('origins', () => {
  test('programs, our own address and listed ones may connect; the rest may not', () => {
    const allowed = originCheck({
      allowed: ' https://a.example ,https://b.example:8443',
      host: '127.0.0.1',
      port: 8080,
    });
    for (const origin of ['', 'http://localhost:8080', 'http://127.0.0.1:8080', 'HTTPS://A.example']) {
      expect([origin, allowed(origin)]).toEqual([origin, true]);
    }
    for (const origin of [
      'null',
      'http://localhost:81',
      'https://b.example',
      'https://a.example.evil.example',
    ]) {
      expect([origin, allowed(origin)]).toEqual([origin, false]);
    }
    expect(originCheck({ allowed: '', host: '10.0.0.5', port: 80 })('http://localhost:80')).toBe(false);
  });
});

describe('bounds', () => {
  test('a frame queue keeps order and refuses what does not fit', async () => {
    const queue = new FrameQueue({ maxFrames: 2, maxChars: 10 });
    const seen: number[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const work = (n: number) => async () => {
      await gate;
      seen.push(n);
    };
    expect(queue.add(4, work(1))).toBe(true);
    expect(queue.add(7, work(2))).toBe(false);
    expect(queue.add(6, work(3))).toBe(true);
    expect(queue.add(0, work(4))).toBe(false);
    open();
    const done = new Promise<void>((resolve) => {
      const retry = () => {
        const last = async () => {
          seen.push(5);
          resolve();
        };
        if (!queue.add(1, last)) setImmediate(retry);
      };
      retry();
    });
    await done;
    expect(seen).toEqual([1, 3, 5]);
  });

  test('early frames are given on in their order, and too many of them send the client away', () => {
    let refused = 0;
    const ended: string[] = [];
    const count = () => {
      refused += 1;
    };
    const early = new EarlyFrames(count, (reason) => ended.push(reason));
    const given: string[] = [];
    const handler = {
      text: (frame: string) => given.push(frame),
      binary: () => given.push('binary'),
      tooLarge: () => given.push('too large'),
      alive: () => given.push('alive'),
      drained: () => given.push('drained'),
      close: () => given.push('close'),
      closed: () => given.push('closed'),
    };
    early.text('first');
    early.binary();
    early.tooLarge();
    early.text('never looked at');
    early.replay(handler);
    expect(given).toEqual(['first', 'binary', 'too large']);
    early.close('replaced');
    expect(ended).toEqual(['replaced']);
    const talkative = new EarlyFrames(count, (reason) => ended.push(reason));
    for (let n = 0; n < 64; n += 1) talkative.text('x');
    expect(refused).toBe(0);
    talkative.text('x');
    expect(refused).toBe(1);
    talkative.closed();
    talkative.close('replaced');
    expect(ended.length).toBe(1);
    talkative.replay(handler);
    expect([talkative.isClosed, given.length]).toEqual([true, 3]);
  });

  test('what is under way is awaited, but not for ever', async () => {
    const inFlight = new InFlight();
    await expect(inFlight.track(Promise.reject(new Error('on purpose')))).rejects.toThrow('on purpose');
    void inFlight.track(Promise.resolve());
    expect(await inFlight.settle(1_000)).toBe(0);
    void inFlight.track(new Promise(() => undefined));
    expect(await inFlight.settle(10)).toBe(1);
  });
});

describe('what clients are told of failures', () => {
  test('our own errors as they are, a store that is away as unavailable, the rest without details', () => {
    const own = new PublicError('busy', 'wait');
    expect(publicError(own)).toBe(own);
    const away = [
      Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
      Object.assign(new Error('x'), { code: '57P01' }),
      new Error('Connection terminated unexpectedly'),
    ];
    for (const error of away) expect(publicError(error).code).toBe('unavailable');
    for (const error of [new Error('secret detail'), 'text', null]) {
      expect(publicError(error).code).toBe('processing_error');
      expect(publicError(error).message).not.toContain('secret');
    }
  });
});

test('a restart spreads a small crowd over seconds and a large one over half a minute, never longer', () => {
  const delays = (crowd: number) => Array.from({ length: 400 }, () => restartDelayMs(crowd));
  expect(Math.min(...delays(1))).toBeGreaterThanOrEqual(200);
  expect(Math.max(...delays(1))).toBeLessThanOrEqual(1_700);
  expect(Math.max(...delays(2_500))).toBeGreaterThan(5_000);
  expect(Math.max(...delays(2_500))).toBeLessThanOrEqual(10_200);
  expect(Math.max(...delays(1_000_000))).toBeLessThanOrEqual(30_000);
  expect(new Set(delays(1)).size).toBeGreaterThan(10);
});

test('an error of a real socket is the store that is away', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const [error] = await once(connect(port, '127.0.0.1'), 'error');
  expect(publicError(error).code).toBe('unavailable');
});
