import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { errorText } from '../protocol/error-text.ts';
import { type WebhookEventType, webhookEventTypes, webhookType, webhookTypes } from '../protocol/webhooks.ts';
import { webhookKey } from './sign.ts';

/** Where webhooks go. `url` and `keys` have their references to the environment filled in: neither is ever logged. */
export interface WebhookEndpoint {
  name: string;
  url: string;
  /** As the file has it, to be shown. */
  shownUrl: string;
  /** Each message is signed with all of them. */
  keys: readonly Buffer[];
  eventTypes: readonly WebhookEventType[];
  /** null: of every tenant. */
  tenants: readonly string[] | null;
}

const maxEndpoints = 20;
/** While a secret is being replaced there are two. */
const maxSecrets = 2;

const reference = z
  .string()
  .regex(
    /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/,
    `a secret never stands in the file: write $\{NAME}, and the secret into that variable`,
  );
const endpoint = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'use letters, digits, "_" and "-", at most 64'),
  url: z.string().min(1).max(2_000),
  secret: z.union([reference, z.array(reference).min(1).max(maxSecrets)]),
  events: z.array(webhookType).min(1).optional(),
  tenants: z.array(z.string().min(1).max(200)).min(1).max(1_000).optional(),
});
const webhooksFile = z.strictObject({
  endpoints: z
    .array(endpoint)
    .max(maxEndpoints)
    .refine(
      (list) => new Set(list.map(({ name }) => name)).size === list.length,
      'two endpoints have the same name',
    ),
});

/**
 * Reads the file of webhooks.
 * @param env what `${NAME}` refers to
 * @throws Error with one sentence that names the file and what is wrong in it, and never a secret
 */
export function readWebhooks(file: string, env: NodeJS.ProcessEnv): WebhookEndpoint[] {
  const parsed = webhooksFile.safeParse(parsedFile(file));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`,
    );
    throw new Error(`The file of webhooks ${file} is not usable: ${faults.join('; ')}.`);
  }
  return parsed.data.endpoints.map((one) => {
    try {
      return resolved(one, env);
    } catch (error) {
      const words = errorText(error);
      throw new Error(`The file of webhooks ${file} is not usable: endpoint "${one.name}": ${words}`);
    }
  });
}

/** With its references to the environment filled in. @throws Error that says what is wrong with it */
function resolved(one: z.infer<typeof endpoint>, env: NodeJS.ProcessEnv): WebhookEndpoint {
  const get = (variable: string): string => {
    const value = env[variable];
    if (value) return value;
    throw new Error(`\${${variable}} is not set in the environment.`);
  };
  const keys = [one.secret].flat().map((secret) => {
    const variable = secret.slice(2, -1);
    const key = webhookKey(get(variable));
    if (key) return key;
    const form = 'whsec_<24 to 64 bytes in base64>';
    throw new Error(`${variable} is no secret of the form ${form}; \`turngate webhooks secret\` makes one.`);
  });
  const url = one.url.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => get(variable));
  if (!isUsableUrl(url)) {
    throw new Error('its url is no http or https address, or has a name or password in it.');
  }
  return {
    name: one.name,
    url,
    shownUrl: one.url,
    keys,
    eventTypes: webhookEventTypes.filter((type) => one.events?.includes(webhookTypes[type]) ?? true),
    tenants: one.tenants ?? null,
  };
}

function parsedFile(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, message = String(error) } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'it is not there' : message.split('\n')[0];
    throw new Error(
      `The file of webhooks ${file} cannot be read: ${why}. TURNGATE_WEBHOOKS says where it is.`,
      {
        cause: error,
      },
    );
  }
}

function isUsableUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}
