/** Asks people in words that turn themselves around, for a field that every object seems to have. */
import { type Asked, say, serve, text, tool } from './raw.ts';

let call: Asked['id'];

serve({
  tools: [tool('ask')],
  call({ id }) {
    call = id;
    const field = { type: 'string', title: 'Na\u202eme\u200b', description: '\u001b[31mYours' };
    const requestedSchema = { type: 'object', properties: { constructor: field } };
    say({
      id: 'q',
      method: 'elicitation/create',
      params: { message: 'Keep \u202ellA?\u001b[2J', requestedSchema },
    });
  },
  other({ id, result }) {
    if (id === 'q') say({ id: call, result: text(JSON.stringify(result)) });
  },
});
