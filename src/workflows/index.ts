export { turnWorkflow } from './turn-workflow.ts';
