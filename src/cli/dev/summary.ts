import type { DevInfo } from './dev-file.ts';

/** The one table that a start ends with. */
export function summary(info: DevInfo, modelDescription: string): string {
  const rows = [
    ['Open', `${info.http}/#token=${info.token}`],
    ['WebSocket', `${info.ws}/v1/sessions/<session id>/ws`],
    ['HTTP', info.http],
    ['Token', info.token],
    ['Temporal UI', info.temporal_ui ?? `that of ${info.temporal_address}`],
    ['Data', info.data],
    ['Model', modelDescription],
  ];
  if (!info.postgres_data.startsWith(info.data)) rows.splice(5, 0, ['Postgres data', info.postgres_data]);
  const width = Math.max(...rows.map(([name = '']) => name.length));
  const lines = rows.map(([name = '', value = '']) => `  ${name.padEnd(width)}  ${value}`);
  return [
    '',
    'Turngate is ready.',
    '',
    ...lines,
    '',
    'Open the link in a browser, or in another terminal: npm run chat. Ctrl-C stops everything.',
    '',
  ].join('\n');
}
