import { aims } from './aims.ts';
import type { ToolsReport } from './run.ts';

/** The figures of a run, in lines for the console. */
export function reportLines({ findings, kills, seconds, folder }: ToolsReport): string[] {
  const { figures, counts, words } = findings;
  const byRole = countBy(kills.map(({ role }) => role));
  const byAim = countBy(kills.map(({ aim }) => aim ?? 'at random'));
  const list = (counted: Record<string, number>) =>
    Object.entries(counted)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    ...words,
    `${seconds} s, ${kills.length} kills: ${list(byRole)}`,
    `aimed: ${list(Object.fromEntries([...aims, 'at random'].map((aim) => [aim, byAim[aim] ?? 0])))}`,
    ...Object.keys(figures)
      .toSorted()
      .map((name) => `  ${name}: ${figures[name]}`),
    `effects doubled ${counts.doubled}, called again after a lost result ${counts.called_again}, lost and not reported ${counts.unreported}, ` +
      `decisions lost ${counts.decision_lost}, effects without a decision ${counts.undecided}`,
    `wrong results ${counts.wrong_result}, stuck ${counts.stuck}, gaps ${counts.gap}, processes that died by themselves ${counts.died}`,
    ...(folder === null ? [] : [`logs, effects and the record are in ${folder}`]),
  ];
}

function countBy(names: string[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const name of names) counted[name] = (counted[name] ?? 0) + 1;
  return counted;
}
