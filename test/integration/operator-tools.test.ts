import { testCellsOf } from '../helpers/operator-cells.ts';

// The cells of the operators' table in docs/operations.md, one test each.
testCellsOf('gate');
testCellsOf('tool');
testCellsOf('effect');
testCellsOf('question');
testCellsOf('asking');
