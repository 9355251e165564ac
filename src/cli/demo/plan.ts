import { type Action, readActions, readMailReport } from './actions.ts';
import type { ChatRequest } from './chat-request.ts';
import { didNotRun, isTool, tellResult } from './results.ts';
import { aboutMe, countedWords, helpText, story, thoughtsOn } from './texts.ts';
import { readTurn, type TurnSoFar } from './turn-so-far.ts';

/** What the demo model answers to one request, before it is streamed. */
export interface Plan {
  thought: string;
  text: string;
  calls: { name: string; arguments: Record<string, unknown> }[];
}

/** Matches the last user message, the tools that are offered and the results so far with a few intents. */
export function makePlan(request: ChatRequest, today: Date): Plan {
  const turn = readTurn(request.messages);
  const offered = (request.tools ?? []).map((tool) => tool.function.name);
  const mailReport = readMailReport(turn.asked, today);
  if (mailReport !== undefined) {
    const [reported, mailed] = turn.calls;
    if (reported === undefined) return callTools([mailReport.report], offered, 'First I read the report.');
    if (mailed === undefined && !didNotRun(reported)) {
      const subject = reported.result.split('\n', 1)[0]?.slice(0, 200) || 'Report';
      const mail = { tool: 'send_mail', arguments: { to: mailReport.to, subject, body: reported.result } };
      return callTools([mail], offered, 'I have the report. Now I mail it.');
    }
  }
  if (turn.calls.length > 0) return say(turn.calls.map(tellResult).join('\n\n'));
  const actions = readActions(turn.asked, today);
  return (
    think(turn.asked) ??
    tellStory(turn.asked) ??
    (actions.length > 0 ? callTools(actions, offered) : undefined) ??
    talk(turn)
  );
}

function think(asked: string): Plan | undefined {
  const topic = /^\W*think\s+(?:hard\s+)?(?:about|of)\s+(.+?)[.?!]*$/is.exec(asked)?.[1];
  return topic === undefined ? undefined : { ...thoughtsOn(topic), calls: [] };
}

function tellStory(asked: string): Plan | undefined {
  if (!/^\W*(please\s+)?(tell|give)\b.*\bstory\b/i.test(asked)) return undefined;
  const words = Number(/\b(\d{1,5})\s+words\b/i.exec(asked)?.[1] ?? 0);
  return say(words > 0 ? countedWords(words) : story);
}

function talk({ asked, askedBefore }: TurnSoFar): Plan {
  if (/\bwhat did i (say|ask|write)\b/i.test(asked)) {
    const last = askedBefore.at(-1);
    return say(
      last === undefined ? 'Nothing yet; this is your first message.' : `Before this you wrote: "${last}"`,
    );
  }
  const greeting = /^\W*$|^\W*(hi|hello|hey|good (morning|day|evening)|help|what can you do)\b/i.test(asked);
  return say(greeting ? `Hello! ${helpText}` : `${aboutMe(asked)}\n\n${helpText}`);
}

function callTools(actions: Action[], offered: string[], intro = introduce(actions)): Plan {
  const missing = actions.filter((action) => nameFor(action, offered) === undefined);
  if (missing.length > 0) {
    const names = missing.map((action) => action.tool).join(' and ');
    return say(
      `For that I need the tool ${names}, which is not offered to me. See mcp.json and agents/default.yaml.`,
    );
  }
  const calls = actions.map((action) => ({
    name: nameFor(action, offered) ?? action.tool,
    arguments: action.arguments,
  }));
  return { thought: '', text: intro, calls };
}

function nameFor(action: Action, offered: string[]): string | undefined {
  const name = offered.find((candidate) => isTool(candidate, action.tool));
  // Asked for on purpose even where no server has it: it shows what the policy does with a denied tool.
  return name ?? (action.tool === 'get-env' ? 'everything__get-env' : undefined);
}

function introduce(actions: Action[]): string {
  if (actions.length > 1) return `I do these ${actions.length} things at once.`;
  const intros: Record<string, string> = {
    send_mail: 'I write that mail.',
    book_room: 'I ask for a room.',
    search_mail: 'I look into your mail.',
    read_daily_report: 'I get the report.',
    list_directory: 'I look into the workspace.',
    read_text_file: 'I open that file.',
    write_file: 'I write that file.',
    'get-env': 'I try to read the environment; the policy should stop me.',
  };
  return intros[actions[0]?.tool ?? ''] ?? '';
}

function say(text: string): Plan {
  return { thought: '', text, calls: [] };
}
