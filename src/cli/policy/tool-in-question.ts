import { existsSync } from 'node:fs';
import { errorText } from '../../protocol/error-text.ts';
import { createMcpTools } from '../../tools/mcp-tools.ts';
import type { ToolDescriptor } from '../../tools/port.ts';

/** What a person says of a tool instead of its server. */
export interface SaidOfTool {
  readOnly?: boolean;
  idempotent?: boolean;
  destructive?: boolean;
}

export interface ToolQuestion {
  /** `server.tool`. */
  name: string;
  said: SaidOfTool;
  mcpConfig: string;
  env: NodeJS.ProcessEnv;
  /** Its server is not started. */
  offline: boolean;
  note(line: string): void;
}

const connectTimeoutMs = 15_000;
const ignore = () => undefined;

export interface QuestionedTool {
  tool: ToolDescriptor | undefined;
  /** What is known of it is what its server said. */
  isAsked: boolean;
}

/** The tool as its configured server tells of it; as a person says where they say something, or nobody answers. */
export async function toolInQuestion(question: ToolQuestion): Promise<QuestionedTool> {
  const { name, said, offline } = question;
  const isSaid = Object.values(said).some((value) => value !== undefined);
  if (isSaid || offline) return imagined(name, said);
  if (!existsSync(question.mcpConfig)) {
    question.note(
      `note: there is no ${question.mcpConfig}, so ${name} is taken as a tool without annotations.`,
    );
    return imagined(name, said);
  }
  return askServer(question);
}

async function askServer({ name, mcpConfig, env, note }: ToolQuestion): Promise<QuestionedTool> {
  try {
    const tools = createMcpTools({
      configFile: mcpConfig,
      env,
      logger: { debug: ignore, warn: ignore },
      timeoutMs: connectTimeoutMs,
      connectTimeoutMs,
    });
    try {
      return { tool: await tools.describe(name, { fresh: true }), isAsked: true };
    } finally {
      await tools.close();
    }
  } catch (error) {
    note(
      `note: the server of ${name} cannot be asked, so it is taken as a tool without annotations. ${errorText(error)}`,
    );
    return imagined(name, {});
  }
}

function imagined(name: string, { readOnly, idempotent, destructive }: SaidOfTool): QuestionedTool {
  const tool = {
    name,
    server: name.split('.', 1)[0] ?? '',
    description: '',
    inputSchema: { type: 'object' },
    readOnlyHint: readOnly === true,
    idempotentHint: idempotent === true,
    destructiveHint: destructive,
  };
  return { tool, isAsked: false };
}
