import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inputsPage } from '../../src/protocol/inputs.ts';
import { runCli } from '../helpers/cli.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { ask } from '../helpers/questions.ts';
import { StreamingStep } from '../helpers/streaming.ts';

const cliTimeoutMs = 60_000;
let harness: GatewayHarness;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  harness = await openGatewayHarness();
  for (const sub of ['alice', 'ada', 'vic']) tokens[sub] = await signToken({ sub });
});
afterAll(() => harness.close());

const inputs = (user: string, ...args: string[]) =>
  runCli(['inputs', ...args, '--url', harness.http, '--token', tokens[user] ?? '']);

async function question(): Promise<string> {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, { ada: 'approver', vic: 'viewer' });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('go');
  await step.open();
  return (await ask(harness.db, { sessionId, turnId: step.turnId })).requestId;
}

test(
  'a question is listed, shown, and answered field by field; another learns whose answer stands',
  async () => {
    const id = await question();
    expect((await inputs('ada', 'list')).out).toMatch(
      new RegExp(`^${id} {2}elicitation {2}alice in .*\n {4}Which colour\\?\n$`),
    );
    const page = inputsPage.parse(JSON.parse((await inputs('ada', 'list', '--json')).out));
    expect(page.inputs.map(({ request_id }) => request_id)).toEqual([id]);
    expect((await inputs('ada', 'show', id)).out).toContain(
      '"enum": [\n        "red",\n        "blue"\n      ]',
    );
    expect(await inputs('ada', 'answer', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--set colour='),
    });
    const wrong = await inputs('ada', 'answer', id, '--set', 'colour=green');
    expect(wrong).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^The gateway refused: .*colour/),
    });
    const done = await inputs('ada', 'answer', id, '--set', 'colour=red', 'size=3');
    expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/^Answered: accept by ada/) });
    const late = await inputs('alice', 'answer', id, '--decline');
    expect(late).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^It is answered already: accept by ada .*stands/),
    });
    expect((await inputs('alice', 'show', id)).out).toMatch(
      /Answered: \{\n(?=[\s\S]*"colour": "red")(?=[\s\S]*"size": 3)/,
    );
    expect(await inputs('ada', 'list')).toMatchObject({
      code: 0,
      out: '',
      err: 'Nobody waits for your answer.\n',
    });
  },
  cliTimeoutMs,
);

test(
  'it can be declined, and answered as JSON; who may not answer has no such question',
  async () => {
    const [one, two] = [await question(), await question()];
    const declined = await inputs('alice', 'answer', one, '--decline', '--json');
    expect(JSON.parse(declined.out)).toMatchObject({
      disposition: 'recorded',
      input: { action: 'decline', by: 'alice' },
    });
    expect(await inputs('vic', 'answer', two, '--cancel')).toMatchObject({ code: 3, out: '' });
    expect(await inputs('alice', 'answer', two, '--decline', '--content', '{}')).toMatchObject({ code: 1 });
    const json = await inputs('alice', 'answer', two, '--content', '{"colour":"blue"}');
    expect(json).toMatchObject({ code: 0, out: expect.stringMatching(/^Answered: accept by alice/) });
  },
  cliTimeoutMs,
);
