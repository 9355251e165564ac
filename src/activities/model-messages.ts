import type { ModelMessage, ModelPart, ModelTool } from '../model/port.ts';
import type { HistoryMessage } from '../store/history.ts';
import { functionName } from '../tools/names.ts';
import type { ToolDescriptor } from '../tools/port.ts';

/** The model is to know that it did not finish what stands before this. */
export const CUT_NOTE = '[This answer was stopped here, before it was finished.]';

/** The conversation in the model's form; a call keeps the id that the model gave it. */
export function toModelMessages(
  instructions: string,
  history: HistoryMessage[],
  /** What there is of the attachments, by id. */
  parts: Map<string, ModelPart>,
): ModelMessage[] {
  const modelIds = new Map<string, string>();
  for (const message of history) {
    if (message.role !== 'assistant') continue;
    for (const call of message.toolCalls) modelIds.set(call.id, call.modelCallId);
  }
  return [
    { role: 'system', content: instructions },
    ...history.map((message): ModelMessage => {
      if (message.role === 'tool') {
        const toolCallId = modelIds.get(message.toolCallId) ?? message.toolCallId;
        return { role: 'tool', toolCallId, content: message.content };
      }
      if (message.role === 'user') {
        const attached = message.attachments.flatMap(({ id }) => parts.get(id) ?? []);
        return { role: 'user', content: message.content, parts: attached };
      }
      const toolCalls = message.toolCalls.map((call) => ({
        id: call.modelCallId,
        name: functionName(call.tool),
        arguments: JSON.stringify(call.arguments),
      }));
      const content = message.isCut ? `${message.content}\n\n${CUT_NOTE}` : message.content;
      return { role: 'assistant', content, toolCalls };
    }),
  ];
}

export function toModelTools(tools: ToolDescriptor[]): ModelTool[] {
  return tools.map((tool) => ({
    name: functionName(tool.name),
    description: tool.description,
    parameters: tool.inputSchema,
  }));
}
