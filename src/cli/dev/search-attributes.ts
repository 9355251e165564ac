import { searchAttributes } from '../../protocol/turn-workflow.ts';

/** Search attributes of the workflows, name → type, as Temporal's server must know them. */
export const searchAttributeTypes: Record<string, string> = {
  [searchAttributes.state]: 'Keyword',
  [searchAttributes.session]: 'Keyword',
  [searchAttributes.user]: 'Keyword',
  [searchAttributes.tool]: 'KeywordList',
  [searchAttributes.approver]: 'KeywordList',
  [searchAttributes.waitingSince]: 'Datetime',
};
