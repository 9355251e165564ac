import { errorText } from '../../protocol/error-text.ts';
import { webhookTypes } from '../../protocol/webhooks.ts';
import { readWebhooks } from '../../webhooks/config.ts';
import { CommandFailure } from './failure.ts';

/**
 * `turngate webhooks check`: prints what a file says, or what is wrong in it. Never a secret.
 * @throws CommandFailure where it cannot be used
 */
export function checkWebhooks(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void = console.log,
): void {
  const path = file || env.TURNGATE_WEBHOOKS;
  if (!path) throw new CommandFailure('failed', 'Name a file, or set TURNGATE_WEBHOOKS.');
  try {
    for (const { name, shownUrl, keys, eventTypes, tenants } of readWebhooks(path, env)) {
      const events = eventTypes.map((type) => webhookTypes[type]).join(', ');
      const secrets = keys.length === 1 ? '1 secret' : `${keys.length} secrets`;
      print(`${name}  ${shownUrl}  ${secrets}\n    ${events}; ${tenants?.join(', ') ?? 'every tenant'}`);
    }
  } catch (error) {
    throw new CommandFailure('failed', errorText(error));
  }
}
