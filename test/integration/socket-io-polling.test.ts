import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PollAnswer } from '../../src/gateway/socket-io-polling.ts';
import { until } from '../helpers/until.ts';

const bytes = 32 * 1024 * 1024;
let port: number;
let stop: () => void;
let waiting = -1;
let aborted = 0;
/** Answers that are begun only when a test says so. */
const held: PollAnswer[] = [];

beforeAll(async () => {
  const app = App();
  app.get('/large', (res) => {
    const answer = new PollAnswer(res, [['X-Test', 'yes']], (left) => {
      waiting = left;
    });
    answer.onAborted(() => {
      aborted += 1;
    });
    answer.writeStatus('200 OK').end('z'.repeat(bytes));
  });
  app.get('/held', (res) => {
    const answer = new PollAnswer(res, [], () => undefined);
    answer.onAborted(() => {
      aborted += 1;
    });
    held.push(answer);
  });
  await new Promise<void>((resolve) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (!socket) throw new Error('The test cannot listen.');
      port = us_socket_local_port(socket);
      stop = () => {
        us_listen_socket_close(socket);
        app.close();
      };
      resolve();
    });
  });
});
afterAll(() => stop());

test('what a client does not take of an answer is counted, and arrives whole when it reads', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => waiting > 0);
  expect(waiting).toBeLessThan(bytes);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.resume();
  await until(() => waiting === 0 && text.length > bytes);
  const [head = ''] = text.split('\r\n\r\n', 1);
  expect(head).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(head).toMatch(/x-test: yes/i);
  await until(() => text.length - head.length - 4 === bytes);
  // No pattern: on so long a text it may exhaust the stack.
  expect(text.slice(head.length + 4) === 'z'.repeat(bytes)).toBe(true);
  socket.destroy();
});

test('a client that goes in the middle of an answer is noticed, and nothing waits for it', async () => {
  const before = aborted;
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => waiting > 0);
  socket.destroy();
  await until(() => aborted === before + 1);
  expect(waiting).toBe(0);
});

test('an answer to a client that has gone does nothing, whatever is done with it', async () => {
  const before = aborted;
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => held.length === 1);
  socket.destroy();
  await until(() => aborted === before + 1);
  const [answer] = held;
  answer?.writeStatus('200 OK').writeHeader('X', 'y');
  answer?.onData(() => undefined);
  answer?.cork(() => answer.end('late'));
  answer?.close();
  expect(answer?.getRemoteAddressAsText().byteLength).toBe(0);
});
