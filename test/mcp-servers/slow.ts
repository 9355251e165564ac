/** Never answers; or answers once the file named by `until` is there, when nobody waits any more. */
import { existsSync } from 'node:fs';
import { say, serve, text, tool } from './raw.ts';

serve({
  tools: [tool('never'), tool('late'), tool('quick')],
  call({ id, params }, name) {
    if (name === 'quick') say({ id, result: text('quick') });
    const until = String(params?.arguments?.until ?? '');
    if (name !== 'late') return;
    const timer = setInterval(() => {
      if (!existsSync(until)) return;
      clearInterval(timer);
      say({ id, result: text('late') });
    }, 20);
  },
});
