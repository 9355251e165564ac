import type { FinishedCall } from './turn-so-far.ts';

/** Which tool it was, whatever server it belongs to: function names end with the tool's name. */
export function isTool(functionName: string, tool: string): boolean {
  return functionName === tool || functionName.endsWith(`_${tool}`);
}

/** How a result begins of a call whose arguments a person changed before it ran. */
const changed = /^\[A person changed the arguments before this ran, to (\{.*\})\]\n/;

/** What the tool did, in words that come from what it really answered. */
export function tellResult(call: FinishedCall): string {
  const args = changed.exec(call.result.trim())?.[1];
  if (args === undefined) return tellPlain(call);
  const result = call.result.trim().replace(changed, '');
  return `A person changed what I asked for, to ${args}. ${tellPlain({ ...call, result })}`;
}

function tellPlain(call: FinishedCall): string {
  const result = call.result.trim();
  const { to, path, query } = call.arguments;
  if (isTool(call.name, 'send_mail')) {
    return /^Sent to/i.test(result)
      ? `Done. ${result}`
      : `The mail to ${to} was not sent. ${because(result)}`;
  }
  if (isTool(call.name, 'write_file')) {
    return /^Successfully/i.test(result)
      ? `The file is written. The tool says: ${result}.`
      : `The file ${path} was not written. ${because(result)}`;
  }
  if (isTool(call.name, 'book_room')) {
    return /^Booked/.test(result) ? `Done. ${result}` : `I have no room for you. ${because(result)}`;
  }
  if (didNotRun(call)) return `That did not work. ${because(result)}`;
  if (isTool(call.name, 'read_daily_report')) return tellReport(result);
  if (isTool(call.name, 'search_mail')) return `I looked for "${query}" in your mail. ${result}`;
  if (isTool(call.name, 'list_directory')) {
    return result === ''
      ? 'There are no files in the workspace yet.'
      : `In the workspace there are:\n\n${result}`;
  }
  if (isTool(call.name, 'read_text_file')) return `The file ${path} says:\n\n${result}`;
  return `The tool ${call.name} answered:\n\n${result}`;
}

/** How the tools of the office and the workspace begin when they did what was asked. */
const success = /^(Sent to|Booked|Successfully|Daily report|\d+ mails? found|No mail holds|\[(FILE|DIR)\])/;
/** How results begin that say that nothing was done: refused, not approved, failed. */
const trouble =
  /\b(reject|den(y|ied)|expired|cancell?ed|withdrawn|not approved|never allows|there is no|not known|fail|error|refuse|ENOENT)/i;

/** Judged by the first words; further on they may be anybody's (a mail that speaks of errors). */
export function didNotRun(call: FinishedCall): boolean {
  const result = call.result.trim().replace(changed, '');
  return !success.test(result) && trouble.test(result.slice(0, 120));
}

function because(result: string): string {
  return result === '' ? 'The tool gave no reason.' : `The reason I was given: ${result}`;
}

function tellReport(report: string): string {
  const facts = report
    .split('\n')
    .map((line) => /^([A-Z]\w+):\s*(.+)$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map((match) => `${match[1]?.toLowerCase()} ${match[2]}`);
  return facts.length === 0 ? report : `${report}\n\nIn short: ${facts.slice(0, 4).join('; ')}.`;
}
