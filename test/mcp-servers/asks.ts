/** Asks for more than it may: the model, the folders, a person; and tells how it was answered. */
import { type Asked, say, serve, text, tool } from './raw.ts';

const methods = ['sampling/createMessage', 'roots/list', 'elicitation/create', 'no/such'];
let call: Asked['id'];
const answers: Record<string, unknown> = {};

serve({
  tools: [tool('ask')],
  call({ id }) {
    call = id;
    for (const method of methods) {
      const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
      say({ id: method, method, params: { message: 'Who?', requestedSchema, messages: [], maxTokens: 5 } });
    }
  },
  other({ id, result, error }) {
    if (id === undefined) return;
    answers[String(id)] = result ?? error;
    if (Object.keys(answers).length === methods.length)
      say({ id: call, result: text(JSON.stringify(answers)) });
  },
});
