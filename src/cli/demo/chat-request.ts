import { z } from 'zod';

/** The part of OpenAI's chat-completions request that a model server for trials and tests looks at. */
const toolCall = z.object({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.object({ name: z.string().min(1), arguments: z.string() }),
});
/** A text with what is attached to it: for the demo, the text. */
const parts = z
  .array(
    z.union([
      z.object({ type: z.literal('text'), text: z.string() }),
      z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
    ]),
  )
  .min(1)
  .transform((all) => all.map((part) => (part.type === 'text' ? part.text : '[image]')).join('\n\n'));
const message = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content: z.union([z.string(), parts]) }),
  z.object({
    role: z.literal('assistant'),
    content: z.string().nullish(),
    tool_calls: z.array(toolCall).min(1).optional(),
  }),
  z.object({ role: z.literal('tool'), tool_call_id: z.string().min(1), content: z.string() }),
]);
const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  }),
});
const chatRequest = z.object({
  model: z.string().min(1),
  messages: z.array(message).min(1),
  tools: z.array(tool).min(1).optional(),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).nullish(),
});
export type ChatRequest = z.infer<typeof chatRequest>;
export type ChatMessage = ChatRequest['messages'][number];

/**
 * As strict as real servers are, so that a conversation which they would refuse is refused here too.
 * @throws Error with the words for a 400
 */
export function parseChatRequest(body: unknown): ChatRequest {
  const parsed = chatRequest.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(
      `Invalid value for '${issue?.path.join('.') || 'body'}': ${issue?.message ?? 'unknown'}.`,
    );
  }
  checkPairs(parsed.data.messages);
  return parsed.data;
}

/** Every tool call has its tool message right after the assistant's, and no tool message stands alone. */
function checkPairs(messages: ChatMessage[]): void {
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (open.delete(message.tool_call_id)) continue;
      throw new Error(
        `Invalid parameter: messages[${index}] with role 'tool' must be a response to a preceding message with 'tool_calls'.`,
      );
    }
    if (open.size > 0) throw unanswered(open);
    open = new Set(message.role === 'assistant' ? message.tool_calls?.map((call) => call.id) : []);
  }
  if (open.size > 0) throw unanswered(open);
}

function unanswered(ids: Set<string>): Error {
  return new Error(
    `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...ids].join(', ')}`,
  );
}
