import { render } from 'ink';
import { createElement as h } from 'react';
import type { Client } from '../client/index.ts';
import { Chat } from './chat/chat.ts';
import { failureOf, gatewayClient } from './chat/gateway-client.ts';
import { targetFinder } from './chat/target.ts';
import { App } from './chat/ui/app.ts';
import { themeOf } from './chat/ui/theme.ts';
import { StartFailure } from './dev/start-failure.ts';

export interface ChatOptions {
  /** Folder of `turngate dev`. */
  data: string;
  url?: string;
  token?: string;
  session?: string;
  new?: boolean;
  agent?: string;
}

/**
 * `turngate chat`: a conversation in the terminal, until the person leaves.
 * @throws StartFailure where there is no terminal, or nothing to talk to
 */
export async function runChat(options: ChatOptions, env: NodeJS.ProcessEnv): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new StartFailure(
      'The chat needs a terminal for its input and output; without one, use the HTTP API or the WebSocket.',
    );
  }
  const findTarget = targetFinder(options);
  const client = gatewayClient(findTarget);
  const sessionId = await chooseSession(client, options).catch((error: unknown) => {
    throw failureOf(error, findTarget);
  });
  const chat = await Chat.open({ client, findTarget, sessionId });
  try {
    // Said outright: Ink would take a terminal in a CI job for none.
    const app = render(h(App, { chat, theme: themeOf(env) }), { interactive: true });
    await Promise.race([app.waitUntilExit(), chat.left]);
    app.unmount();
    await app.waitUntilExit();
  } finally {
    chat.close();
  }
}

/** The one named, a new one, or the person's newest; who has none gets one. */
async function chooseSession(client: Client, options: ChatOptions): Promise<string> {
  const { session, agent } = options;
  const isNew = options.new || agent !== undefined;
  if (session !== undefined && isNew) {
    const making = options.new ? '--new' : '--agent';
    throw new StartFailure(`--session opens a session and ${making} makes one; give one of the two.`);
  }
  if (session !== undefined) return session;
  const [newest] = isNew ? [] : (await client.sessions.list({ limit: 1 })).sessions;
  return newest?.id ?? (await client.sessions.create(agent === undefined ? {} : { agent })).id;
}
