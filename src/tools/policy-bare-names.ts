const bareName = /^[A-Za-z0-9_*?-]+$/;

/**
 * A rule with the server's name before each tool's name that has none. `*` stays: it means every tool of every server.
 * Whatever is no pattern is left for the schema to refuse.
 */
export function withDefaultServer(rule: unknown, defaultServer: string | undefined): unknown {
  if (defaultServer === undefined || rule === null || typeof rule !== 'object' || !('tool' in rule))
    return rule;
  const full = (pattern: unknown) =>
    typeof pattern === 'string' && pattern !== '*' && bareName.test(pattern)
      ? `${defaultServer}.${pattern}`
      : pattern;
  return { ...rule, tool: Array.isArray(rule.tool) ? rule.tool.map(full) : full(rule.tool) };
}
