import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { readWebhooks, type WebhookEndpoint } from './config.ts';

/** The endpoints of a file, read again when it has changed. What cannot be used then is logged, and the last good one counts. */
export class WebhookEndpoints {
  readonly #file: string | undefined;
  readonly #env: NodeJS.ProcessEnv;
  readonly #logger: Logger;
  #stamp = '';
  #endpoints: readonly WebhookEndpoint[] = [];

  /**
   * @param deps.file undefined: there are none
   * @throws Error where the file cannot be used
   */
  constructor(deps: { file: string | undefined; env: NodeJS.ProcessEnv; logger: Logger }) {
    this.#file = deps.file;
    this.#env = deps.env;
    this.#logger = deps.logger;
    if (this.#file === undefined) return;
    this.#stamp = stampOf(this.#file);
    this.#endpoints = readWebhooks(this.#file, this.#env);
  }

  get current(): readonly WebhookEndpoint[] {
    return this.#endpoints;
  }

  /** Looks at the file. @returns whether there are other endpoints now */
  refresh(): boolean {
    if (this.#file === undefined) return false;
    const stamp = stampOf(this.#file);
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    try {
      this.#endpoints = readWebhooks(this.#file, this.#env);
      this.#logger.info({ endpoints: this.#endpoints.length }, 'the file of webhooks was read again');
      return true;
    } catch (error) {
      this.#logger.error(
        { err: error },
        'the file of webhooks was changed and cannot be used; it goes on as it was',
      );
      return false;
    }
  }
}

/** Changes whenever the file does; a file that is not there has one too. */
function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.mtimeMs}:${found.size}:${found.ino}` : 'none';
}
