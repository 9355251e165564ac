import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { errorText } from '../protocol/error-text.ts';
import type { Db } from '../store/db.ts';
import { WebhookEndpoints } from '../webhooks/endpoints.ts';
import { WebhookSender } from '../webhooks/sender.ts';
import { StartFailure } from './dev/start-failure.ts';

type WebhookSettings = Pick<
  Config,
  'TURNGATE_WEBHOOKS' | 'WEBHOOK_TIMEOUT_MS' | 'WEBHOOK_GIVE_UP_MS' | 'WEBHOOK_RETENTION_MS'
>;

/** @throws StartFailure where the file of webhooks cannot be used, in words that say what to mend */
export function requireUsableWebhooks(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  logger: Logger,
): WebhookEndpoints {
  try {
    return new WebhookEndpoints({ file, env, logger });
  } catch (error) {
    throw new StartFailure(errorText(error));
  }
}

/** What sends webhooks, not started yet. */
export function webhookSender(
  deps: { db: Db; endpoints: WebhookEndpoints; logger: Logger },
  config: WebhookSettings,
): WebhookSender {
  return new WebhookSender(deps, {
    timeoutMs: config.WEBHOOK_TIMEOUT_MS,
    giveUpMs: config.WEBHOOK_GIVE_UP_MS,
    retentionMs: config.WEBHOOK_RETENTION_MS,
  });
}
