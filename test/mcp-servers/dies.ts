/** Ends in the middle of a call, each time. */
import { serve, tool } from './raw.ts';

serve({ tools: [tool('die')], call: () => process.exit(3) });
