import { describe, expect, test } from '@jest/globals';
import { at, runAgain, setStatus } from './tools/doctor.ts';
import type { Violation } from './tools/findings.ts';
import { effect, goodRecord, planned } from './tools/good-record.ts';
import { judge } from './tools/judge.ts';
import { edited } from './tools/plan.ts';
import type { ToolsRecord } from './tools/record.ts';

describe('the judge', () => {
  test('finds nothing in a record of a good run', () => {
    const findings = judge(goodRecord());
    expect(findings.words).toEqual([]);
    expect(findings.isClean).toBe(true);
    expect(findings.figures).toMatchObject({
      'repeats with the same key': 1,
      'results lost for good, after the effect': 1,
    });
  });

  test('finds nothing where a call was made again because a person said so', () => {
    const record = goodRecord();
    runAgain(record);
    const findings = judge(record);
    expect(findings.words).toEqual([]);
    expect(findings.figures).toMatchObject({ 'made again because a person said so': 1 });
  });

  test.each<[Violation, string, (record: ToolsRecord) => void]>([
    [
      'doubled',
      'a ledger that gives each attempt a key of its own',
      (r) => {
        at(r.effects, 1).key = 'another';
      },
    ],
    [
      'doubled',
      'a step that proposes its calls twice',
      (r) => {
        r.calls.push({ ...at(r.calls, 0), id: 'again' });
      },
    ],
    [
      'called_again',
      'a ledger that calls what may not be repeated again',
      (r) => {
        r.effects.push({ ...at(r.effects, 2), attempt: 2, id: 'e4' });
      },
    ],
    [
      'called_again',
      'a second attempt of it that had no effect',
      (r) => {
        at(r.calls, 1).attempt = 2;
      },
    ],
    [
      'unreported',
      'a lost result that is told as a failure',
      (r) => {
        setStatus(r, 1, 'failed');
      },
    ],
    [
      'unreported',
      'an effect of a tool with keys that is told as a failure',
      (r) => {
        setStatus(r, 0, 'failed');
      },
    ],
    [
      'unreported',
      'a lost result of a tool with keys about which nobody is asked',
      (r) => {
        setStatus(r, 0, 'unknown');
      },
    ],
    [
      'decision_lost',
      'an acked decision that is not stored',
      (r) => {
        r.decisions.splice(1, 1);
        r.effects.pop();
      },
    ],
    [
      'decision_lost',
      'a stored decision that is another than the acked one',
      (r) => {
        at(r.decisions, 2).decided_by = 'alice';
      },
    ],
    [
      'decision_lost',
      'an acked decision that no event tells',
      (r) => {
        r.events = r.events.filter(
          ({ type, body }) => type !== 'tool_approval_resolved' || body.tool_call_id !== 'c3',
        );
      },
    ],
    [
      'decision_lost',
      'a decision on which nobody acted',
      (r) => {
        at(r.decisions, 0).acted_at = null;
      },
    ],
    [
      'decision_lost',
      'a decision that was never answered',
      (r) => {
        at(r.said, 0).answer = { kind: 'none' };
      },
    ],
    [
      'decision_lost',
      'a rejected call that is completed',
      (r) => {
        setStatus(r, 2, 'completed');
      },
    ],
    [
      'undecided',
      'an effect of a rejected call',
      (r) => {
        r.effects.push(effect('e5', 'c3', 'n3', 'plain', 200));
      },
    ],
    [
      'undecided',
      'an effect before its approval',
      (r) => {
        at(r.effects, 0).at = 50;
      },
    ],
    [
      'undecided',
      'an effect of other arguments than were approved',
      (r) => {
        at(r.effects, 2).arguments = { nonce: 'n2', text: 'more', people: 1 };
      },
    ],
    [
      'undecided',
      'an effect that belongs to no call',
      (r) => {
        r.effects.push(effect('e6', 'c9', 'n9', 'plain', 200));
      },
    ],
    [
      'wrong_result',
      'a result that the tool never gave',
      (r) => {
        at(r.calls, 0).result = 'made up';
      },
    ],
    [
      'stuck',
      'a call that never ends',
      (r) => {
        setStatus(r, 1, 'running');
      },
    ],
    [
      'stuck',
      'a call that was never proposed',
      (r) => {
        r.planned.push(planned('n4', 'plain'));
      },
    ],
    [
      'gap',
      'a client that missed an event',
      (r) => {
        at(r.logs, 0).events.splice(2, 1);
      },
    ],
    [
      'gap',
      'an event that says other than the ledger',
      (r) => {
        at(r.calls, 0).status = 'unknown';
      },
    ],
    [
      'died',
      'a process that ended by itself',
      (r) => {
        r.died.push('worker ended by itself');
      },
    ],
    [
      'unreported',
      'a lost result about which nobody is asked',
      (r) => {
        r.questions.pop();
        r.answered.pop();
      },
    ],
    [
      'called_again',
      'a call that is made again twice where a person said once',
      (r) => {
        runAgain(r);
        r.effects.push({ ...at(r.effects, 2), id: 'e8', attempt: 3 });
      },
    ],
    [
      'decision_lost',
      'a call that a person said to make again, and is not',
      (r) => {
        runAgain(r);
        at(r.calls, 1).attempt = 1;
      },
    ],
    [
      'decision_lost',
      'an answer that the call does not show',
      (r) => {
        setStatus(r, 1, 'completed');
      },
    ],
    [
      'decision_lost',
      'an answer on which nobody acted',
      (r) => {
        at(r.questions, 0).acted_at = null;
      },
    ],
    [
      'decision_lost',
      'an acked answer that another one took the place of',
      (r) => {
        at(r.questions, 0).content = { outcome: 'did_not_happen' };
      },
    ],
    [
      'stuck',
      'a question that nobody could answer',
      (r) => {
        at(r.questions, 0).action = null;
      },
    ],
    [
      'decision_lost',
      'a decision that is not in the audit',
      (r) => {
        r.audit.pop();
      },
    ],
    [
      'decision_lost',
      'an approval that was acked as one of several, and is not counted',
      (r) => {
        at(r.said, 0).answer = { kind: 'voted' };
      },
    ],
    [
      'decision_lost',
      'an approval of changed arguments that runs unchanged',
      (r) => {
        const said = at(r.said, 0);
        said.arguments = edited(at(r.planned, 0).arguments);
      },
    ],
    [
      'undecided',
      'one approval where two are needed',
      (r) => {
        at(r.planned, 0).arguments.people = 2;
      },
    ],
    [
      'undecided',
      'a remembered approval of another session',
      (r) => {
        at(r.calls, 0).grant_id = 'g';
        r.grants.push({ id: 'g', session_id: 'another', tool: 'effects.keyed', granted_at: 1 });
      },
    ],
    [
      'undecided',
      'an effect of a tool that is denied',
      (r) => {
        at(r.planned, 1).tool = 'never';
      },
    ],
  ])('%s: %s', (kind, _name, doctor) => {
    const record = goodRecord();
    doctor(record);
    const findings = judge(record);
    expect(findings.counts[kind]).toBeGreaterThan(0);
    expect(findings.isClean).toBe(false);
  });
});
