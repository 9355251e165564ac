import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Scene, type State, states } from '../helpers/operator-states.ts';
import { testPolicy } from '../helpers/policy.ts';
import { eventually } from '../helpers/turn-harness.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

// The saved queries of docs/operations.md, each asked of a real Temporal with runs that it should and should not find.
const page = readFileSync(fileURLToPath(new URL('../../docs/operations.md', import.meta.url)), 'utf8');
const [section = ''] = (page.split('\n### Saved queries\n')[1] ?? '').split('\n#');
const queries = [...section.matchAll(/^\| ([a-z][^|]+) \| `([^`]+)` \|$/gm)].map(
  ([, which = '', query = '']) => ({
    which,
    query,
  }),
);

const names = ['gate', 'nobody', 'question', 'model', 'idle', 'terminated'] as const;
type Name = (typeof names)[number];
/** What each finds of the runs below, by the row's first words. */
const finds: Record<string, Name[]> = {
  'wait for a person': ['gate', 'nobody', 'question'],
  'wait for an approval': ['gate', 'nobody'],
  'wait for an answer to a question': ['question'],
  'wait for longer than since then': ['gate', 'nobody', 'question'],
  'wait for this person, perhaps among others': ['gate', 'question'],
  'wait for an approval that nobody may give': ['nobody'],
  'wait because of one tool': ['gate', 'nobody'],
  'of one user': [...names],
  'of one session, all its turns': ['gate'],
  'ended by somebody, or by a bug': ['terminated'],
};

let at: Whole;
const scenes = new Map<Name, Scene>();
beforeAll(async () => {
  at = await openWhole(states.question?.settings?.());
  for (const name of names) {
    const isGate = name === 'terminated' || name === 'nobody';
    const state: State | undefined = states[isGate ? 'gate' : name];
    const policy =
      name === 'nobody' ? testPolicy.replace('ask,', 'ask, approvers: { roles: [approver] },') : testPolicy;
    writeFileSync(at.config.TURNGATE_POLICY, policy);
    if (state) scenes.set(name, await state.enter(at, false));
  }
  await scenes.get('terminated')?.handle.terminate('test');
});
afterAll(() => at.close());

async function found(query: string): Promise<Name[]> {
  const workflows = new Set<string>();
  for await (const run of at.client.workflow.list({ query })) workflows.add(run.workflowId);
  return names.filter((name) => workflows.has(scenes.get(name)?.handle.workflowId ?? ''));
}

test('the document has these queries, and no others', () => {
  expect(queries.map(({ which }) => which)).toEqual(Object.keys(finds));
});

test.each(queries)('runs that $which', async ({ which, query }) => {
  const gate = scenes.get('gate');
  const asked = query
    .replace('<user id>', 'alice')
    .replace('<server.tool>', 'test.effect')
    .replace('<session id>', gate?.sessionId ?? '')
    // Since then: at the end of this test's scenes instead of the day in the document.
    .replace(/'\d{4}-\d\d-\d\dT[^']+Z'/, `'${new Date(Date.now() + 60_000).toISOString()}'`);
  expect(asked).not.toContain('<user');
  // The list may be a moment behind.
  await eventually(`the runs that ${which}`, async () => {
    const is = await found(asked);
    return JSON.stringify(is) === JSON.stringify(finds[which]);
  });
});

test('the query about a time, as it stands in the document, finds none of what waits since now', async () => {
  const dated = queries.filter(({ query }) => query.includes('TurngateWaitingSince'));
  expect(dated).toHaveLength(1);
  for (const { query } of dated) expect(await found(query)).toEqual([]);
});
