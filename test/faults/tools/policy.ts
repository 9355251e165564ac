/** The rules of the fault kit: one for each way in which a call may come to run, or not. */
export const faultsPolicy = `trusted_servers: [effects]
rules:
  - { id: never, tool: effects.never, decide: deny }
  - { id: free, tool: effects.free, decide: allow }
  - { id: noted, tool: effects.noted, decide: ask, remember: session }
  - { id: two-people, tool: effects.*, arguments: { /people: { equals: 2 } }, decide: ask, needed: 2 }
  - { id: one-person, tool: [effects.*, asking.*], decide: ask }
`;
