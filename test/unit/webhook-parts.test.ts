import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { WebhookEvent } from '../../src/protocol/webhooks.ts';
import { webhookFieldChars, webhookMessage, webhookPayload } from '../../src/protocol/webhooks.ts';
import { readWebhooks } from '../../src/webhooks/config.ts';
import { retryAfterMs, retryDelayMs, retrySchedule } from '../../src/webhooks/schedule.ts';
import { signedHeaders, webhookKey } from '../../src/webhooks/sign.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { fromEnv } from '../helpers/webhook-bench.ts';
import { isSignedBy, newSecret } from '../helpers/webhook-receiver.ts';

let folder: string;
beforeAll(() => {
  folder = openFolder('turngate-webhook-parts-');
});
afterAll(() => removeFolder(folder));

describe('signatures', () => {
  test('are those of the published example of Standard Webhooks', () => {
    const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const message = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: 1_614_265_330,
      body: '{"test": 2432232314}',
    };
    expect(signedHeaders(message, key ? [key] : [])).toEqual({
      'webhook-id': message.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  test('of two secrets are both accepted, of a third not, and of other words none', async () => {
    const [old, next, third] = [newSecret(), newSecret(), newSecret()];
    const keys = [old, next].flatMap((secret) => webhookKey(secret) ?? []);
    const body = '{"text":"h\u00e9llo \ud83d\ude42"}';
    const headers = signedHeaders({ id: 'a', timestamp: 5, body }, keys);
    expect(await isSignedBy(old, { headers, body })).toBe(true);
    expect(await isSignedBy(next, { headers, body })).toBe(true);
    expect(await isSignedBy(third, { headers, body })).toBe(false);
    expect(await isSignedBy(old, { headers, body: `${body} ` })).toBe(false);
    expect(await isSignedBy(old, { headers: { ...headers, 'webhook-timestamp': '6' }, body })).toBe(false);
  });

  test('are accepted by the receiver that docs/webhooks.md shows, and forged ones are not', () => {
    const guide = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
    const [, shown = ''] = /```js\n([\s\S]*?)```/.exec(guide) ?? [];
    const secret = newSecret();
    const keys = [newSecret(), secret].flatMap((one) => webhookKey(one) ?? []);
    const timestamp = Math.floor(Date.now() / 1_000);
    const body = '{"text":"h\u00e9llo"}';
    const signed = (at: number) => signedHeaders({ id: 'a', timestamp: at, body }, keys);
    const tries = [
      [signed(timestamp), body],
      [signed(timestamp), `${body} `],
      [signed(timestamp - 301), body],
      [{ ...signed(timestamp), 'webhook-signature': 'v1,AAAA v2,x' }, body],
    ];
    const script = `${shown}
      const verdicts = ${JSON.stringify(tries)}.map(([headers, body]) =>
        isFromTurngate(headers, Buffer.from(body), ${JSON.stringify(secret)}));
      console.log(JSON.stringify(verdicts));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect([run.stderr, run.stdout.trim()]).toEqual(['', '[true,false,false,false]']);
  });

  test.each([
    'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whsec_',
    'whsec_c2hvcnQ=',
    'whsec_not base64 at all, and long enough otherwise',
    `whsec_${Buffer.alloc(65).toString('base64')}`,
  ])('need a secret of the form that there is: %s', (secret) => {
    expect(webhookKey(secret)).toBeNull();
  });
});

describe('the file', () => {
  const env = { GOOD: newSecret(), NEXT: newSecret(), SHORT: 'whsec_abcd', HOST: 'hooks.example.com' };
  const read = (text: string) => {
    const file = join(folder, 'webhooks.yaml');
    writeFileSync(file, text);
    return readWebhooks(file, env);
  };
  const one = (more: string, secret = fromEnv('GOOD')) =>
    `endpoints:\n  - name: crm\n    url: https://$\{HOST}/in\n    secret: ${secret}\n${more}`;

  test('says who hears of what, and its secrets are in the environment', () => {
    expect(read(one(''))).toEqual([
      {
        name: 'crm',
        url: 'https://hooks.example.com/in',
        shownUrl: `https://${fromEnv('HOST')}/in`,
        keys: [expect.any(Buffer)],
        eventTypes: expect.arrayContaining(['turn_end', 'tool_approval_request', 'input_resolved']),
        tenants: null,
      },
    ]);
    const two = read(
      one('    events: [turn.ended]\n    tenants: [acme]\n', `["${fromEnv('GOOD')}", "${fromEnv('NEXT')}"]`),
    );
    expect(two).toMatchObject([{ eventTypes: ['turn_end'], tenants: ['acme'] }]);
    expect(two[0]?.keys).toHaveLength(2);
  });

  test.each([
    ['a secret in it', one('', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), /never stands in the file/],
    ['a variable that is not set', one('', fromEnv('NONE')), /\$\{NONE\} is not set/],
    ['a weak secret', one('', fromEnv('SHORT')), /SHORT is no secret/],
    ['an unknown event', one('    events: [turn.begun]\n'), /events/],
    ['a word that nobody reads', one('    retries: 3\n'), /retries/],
    ['another scheme', one('').replace('https:', 'ftp:'), /no http or https/],
    ['a password in the address', one('').replace('https://', 'https://u:p@'), /name or password/],
    ['the same name twice', `${one('')}${one('').replace('endpoints:\n', '')}`, /same name/],
    ['no YAML', '{', /cannot be read/],
    ['nothing', '', /not usable/],
  ])('is refused with %s', (_, text, words) => {
    expect(() => read(text)).toThrow(words);
    expect(() => read(text)).not.toThrow(/MfKQ9|whsec_abcd/);
  });

  test('that is not there is refused', () => {
    expect(() => readWebhooks(join(folder, 'none.yaml'), env)).toThrow(/it is not there/);
  });
});

describe('retries', () => {
  test('come at the times of docs/webhooks.md, and never all at once', () => {
    const exact = [1, 2, 3, 4, 5, 6, 7, 8].map(
      (attempt) => retryDelayMs(attempt, retrySchedule, () => 0.5) / 1_000,
    );
    expect(exact).toEqual([5, 20, 80, 320, 1_280, 5_120, 14_400, 14_400]);
    expect(retryDelayMs(1, retrySchedule, () => 0)).toBe(4_000);
    expect(retryDelayMs(1, retrySchedule, () => 1)).toBe(6_000);
    expect(retryDelayMs(5_000, retrySchedule, () => 0.5)).toBe(14_400_000);
  });

  test.each([
    [null, null],
    ['', null],
    ['soon', null],
    ['30', 30_000],
    ['0', 0],
    ['999999999', 3_600_000],
    ['Sat, 21 Nov 2026 16:00:30 GMT', 30_000],
    ['Sat, 21 Nov 2020 16:00:30 GMT', 0],
  ])('Retry-After: %s', (header, delayMs) => {
    expect(retryAfterMs(header, Date.parse('2026-11-21T16:00:00Z'))).toBe(delayMs);
  });
});

test('a payload has every field of its event, but none that is too large', () => {
  const event: WebhookEvent = {
    type: 'tool_approval_resolved',
    ...{ seq: 7, session_id: 's', turn_id: 'u', ts: Date.parse('2026-11-21T16:00:00Z') },
    ...{ tool_call_id: 'c', decision: 'approved', by: 'alice', at: 1 },
    arguments: { text: 'x'.repeat(webhookFieldChars) },
    original_arguments: { text: 'short' },
  };
  const parsed = webhookMessage.parse(JSON.parse(webhookPayload('acme', event)));
  expect(parsed).toEqual({
    type: 'approval.resolved',
    timestamp: '2026-11-21T16:00:00.000Z',
    data: {
      ...{ tenant: 'acme', session_id: 's', turn_id: 'u', seq: 7, ts: event.ts },
      ...{
        tool_call_id: 'c',
        decision: 'approved',
        by: 'alice',
        at: 1,
        original_arguments: { text: 'short' },
      },
      left_out: { arguments: webhookFieldChars + 11 },
    },
  });
});
