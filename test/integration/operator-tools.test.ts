import { testCellsOf } from '../helpers/operator-cells.ts';

// The cells of the operators' table in docs/operations.md, one test each.
testCellsOf('gate', 'tool', 'effect');
testCellsOf('question');
testCellsOf('asking');
