import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { actions } from './operator-actions.ts';
import { outcomes } from './operator-outcomes.ts';
import { states } from './operator-states.ts';
import { readOperatorTable } from './operator-table.ts';
import { openWhole, type Whole } from './whole.ts';

/** A test for each cell of the operators' table in these states, with the settings of the first; its title ends in the cell's id. */
export function testCellsOf(...names: string[]): void {
  describe(`what an operator does: ${names.join(', ')}`, () => {
    let at: Whole;
    beforeAll(async () => {
      at = await openWhole(states[names[0] ?? '']?.settings?.());
    });
    afterAll(() => at.close());

    const cells = readOperatorTable().filter((cell) => names.includes(cell.state));
    for (const { id, outcome, ...cell } of cells) {
      test(`${cell.action}, ${cell.state}: ${outcome} [${id}]`, async () => {
        const [state, action, check] = [states[cell.state], actions[cell.action], outcomes[outcome]];
        if (!(state && action && check)) throw new Error(`Nobody knows how to try the cell ${id}.`);
        const scene = await state.enter(at, action.earlier === true);
        try {
          await check({ at, scene, state, action });
        } finally {
          await scene.leave?.();
        }
      });
    }
  });
}
