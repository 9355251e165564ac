/** Asks a person in the middle of each call, and answers what it was answered; appends to EFFECTS_FILE what it hears besides. */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { type Asked, say, serve, text, tool } from './raw.ts';

const pending = new Map<string, Asked>();
let asked = 0;
const note = (line: object) =>
  appendFileSync(process.env.EFFECTS_FILE ?? '/dev/null', `${JSON.stringify(line)}\n`);

/** With a file to tell by, once. */
function die(file: string): void {
  if (file !== '') writeFileSync(file, '');
  process.exit(4);
}

serve({
  tools: [
    tool('ask'),
    tool('ask_oddly'),
    tool('answer_while_asking'),
    tool('die_while_asking'),
    tool('take_back'),
  ],
  call(call, name) {
    asked += 1;
    const id = `question-${asked}`;
    pending.set(id, call);
    const properties =
      name === 'ask_oddly' ? { place: { $ref: 'http://127.0.0.1/x' } } : { place: { type: 'string' } };
    const message = String(call.params?.arguments?.message ?? 'Where?');
    const requestedSchema = { type: 'object', properties };
    say({ id, method: 'elicitation/create', params: { message, requestedSchema } });
    const died = String(call.params?.arguments?.died ?? '');
    if (name === 'die_while_asking' && !existsSync(died)) setImmediate(() => die(died));
    if (name === 'take_back') say({ method: 'notifications/cancelled', params: { requestId: id } });
    if (name === 'answer_while_asking') say({ id: call.id, result: text('never mind') });
  },
  other({ id, method, params, result, error }) {
    if (method === 'notifications/cancelled') note({ cancelled: params });
    const call = pending.get(String(id));
    if (call === undefined) return;
    note({ id, result, error });
    say({ id: call.id, result: text(JSON.stringify(result ?? { error })) });
  },
});
