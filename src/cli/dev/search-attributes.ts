/** Search attributes of the workflows, name → type, as Temporal's server must know them. */
export const searchAttributeTypes: Record<string, string> = {
  TurngateState: 'Keyword',
  TurngateSession: 'Keyword',
  TurngateUser: 'Keyword',
  TurngateTool: 'KeywordList',
};
