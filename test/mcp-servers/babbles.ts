/** Answers what nobody asked: with the wrong id, twice, in no JSON, in JSON that is no answer. */
import { say, serve, text, tool } from './raw.ts';

const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
const names = ['wrong_id', 'twice', 'malformed', 'no_answer', 'both', 'deep', 'odd_parts'];
serve({
  tools: names.map((name) => tool(name)),
  call({ id }, name) {
    if (name === 'wrong_id') say({ id: 4_711, result: text('not yours') });
    if (name === 'twice') {
      say({ id, result: text('first') });
      say({ id, result: text('second') });
    }
    if (name === 'malformed')
      process.stdout.write(`{"jsonrpc": "2.0", "id": ${id}, "result": {"content": [}\n`);
    if (name === 'no_answer') say({ id, result: { content: 'words' } });
    if (name === 'both') say({ id, result: text('yes'), error: { code: 1, message: 'no' } });
    if (name === 'deep')
      process.stdout.write(
        `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${deep}}}\n`,
      );
    if (name === 'odd_parts')
      say({
        id,
        result: {
          content: [null, 7, { type: 'hologram' }, ...Array(5_000).fill({ type: 'text', text: 'a' })],
        },
      });
  },
});
