import type { TextProps } from 'ink';

type Style = Pick<TextProps, 'color' | 'dimColor' | 'bold'>;
export type Theme = Record<'user' | 'agent' | 'dim' | 'tool' | 'good' | 'bad' | 'ask', Style>;

const colored: Theme = {
  user: { color: 'cyan', bold: true },
  agent: {},
  dim: { dimColor: true },
  tool: { color: 'blue' },
  good: { color: 'green' },
  bad: { color: 'red' },
  ask: { color: 'yellow', bold: true },
};

/** NO_COLOR (any value but an empty one) takes the colours and leaves bold and dim, which are none. */
export function themeOf(env: NodeJS.ProcessEnv): Theme {
  if (!env.NO_COLOR) return colored;
  const plain = Object.entries(colored).map(([name, { color: _, ...style }]) => [name, style]);
  return Object.fromEntries(plain) as Theme;
}
