/** Says too much: as messages, as one message, as a line that does not end, as a list that does not end. */
import { say, serve, tool } from './raw.ts';

const chunk = 'x'.repeat(64 * 1024);
/** As fast as it is read. */
function pour(next: () => string): void {
  while (process.stdout.write(next()));
  process.stdout.once('drain', () => pour(next));
}
const line = (message: object) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`;

const names = ['progress', 'notifications', 'huge', 'endless', 'requests', 'stderr'];
serve({
  tools({ params }) {
    if (process.env.LIST === 'many') {
      return { tools: Array.from({ length: 4_000 }, (_, n) => tool(`tool_${n}`)) };
    }
    if (process.env.LIST === 'pages') {
      const page = Number(params?.cursor ?? 0);
      return { tools: [tool(`tool_${page}`)], nextCursor: String(page + 1) };
    }
    return { tools: names.map((name) => tool(name)) };
  },
  call({ id, params }, name) {
    const progressToken = params?._meta?.progressToken;
    let progress = 0;
    if (name === 'progress') {
      pour(() => line({ method: 'notifications/progress', params: { progressToken, progress: ++progress } }));
    }
    if (name === 'notifications') pour(() => line({ method: 'notifications/tools/list_changed' }));
    if (name === 'requests')
      pour(() => line({ id: ++progress, method: 'sampling/createMessage', params: {} }));
    if (name === 'endless') pour(() => chunk);
    if (name === 'stderr') setInterval(() => process.stderr.write(`${chunk}\n`.repeat(4)), 1);
    if (name === 'huge')
      say({ id, result: { content: [{ type: 'text', text: 'x'.repeat(100 * 1024 * 1024) }] } });
  },
});
