import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const ms = z.coerce.number().int().positive();
const count = z.coerce.number().int().positive();
const bound = z.coerce.number().int().nonnegative();

/** Environment → config: the one place that reads the environment. Each name is documented in .env.example. */
export const environment = z.object({
  DATABASE_URL: z.string().min(1).describe('Postgres connection string'),
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233').describe('Temporal frontend, host:port'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default').describe('Temporal namespace'),
  TEMPORAL_TASK_QUEUE: z
    .string()
    .min(1)
    .default('turngate')
    .describe('task queue of workflows and steps; tools use the same name with "-tools"'),
  TEMPORAL_UI: z.string().optional().describe('base URL of the Temporal UI, for links'),
  TURN_DEBUG: z
    .enum(['on', 'off'])
    .default('off')
    .describe(
      'development: whether `turn_end` tells clients model, times, attempts, rules and the run’s page',
    ),
  GATEWAY_HOST: z.string().default('127.0.0.1').describe('address the gateway listens on'),
  GATEWAY_PORT: port.default(8080).describe('port the gateway listens on; 0 takes a free one'),
  DEVICES_PER_USER: z
    .enum(['many', 'one'])
    .default('many')
    .describe('`one`: a new connection of a user to a session replaces the one before'),
  CONNECTIONS_PER_USER: bound
    .default(100)
    .describe('connections of one user on all gateways; more get 4029; 0: no bound'),
  CONNECTIONS_PER_ADDRESS: bound
    .default(1_000)
    .describe(
      'connections of one address (IPv6: of one /64) to one gateway, whoever they are; more get 4029; 0: no bound',
    ),
  CONNECTIONS_MAX: bound.default(20_000).describe('connections to one gateway; more get 4029; 0: no bound'),
  TRUSTED_PROXIES: z
    .string()
    .default('')
    .describe(
      'comma list of addresses and networks of proxies whose X-Forwarded-For is believed; empty: the address is that of the socket',
    ),
  FRAMES_PER_SECOND: count
    .default(50)
    .describe(
      'frames a second of one connection, four seconds of them at once; more get `rate_limit`, in the end 4029',
    ),
  HTTP_REQUESTS_PER_SECOND: count
    .default(100)
    .describe(
      'HTTP requests a second of one user to one gateway, five seconds of them at once; more get 429',
    ),
  DRAIN_NOTICE_MS: bound
    .default(2_000)
    .describe(
      'after SIGTERM a gateway says for this long that it is not ready, before it sends its connections away',
    ),
  SESSION_SUSPEND_AFTER_MS: ms
    .default(30_000)
    .describe('a session that nobody is connected to for this long becomes suspended'),
  ALLOWED_ORIGINS: z
    .string()
    .default('')
    .describe(
      'comma list of exact origins that browsers may connect from; empty: only requests without an Origin or from the gateway itself',
    ),
  METRICS_TOKEN: z
    .string()
    .min(16)
    .regex(/^\S+$/, 'must not have spaces')
    .optional()
    .describe('what `/metrics` asks for as bearer token; nothing where not set'),
  JWT_SECRET: z.string().min(32).optional().describe('HS256 secret of at least 32 characters'),
  JWT_SECRET_FILE: z.string().optional().describe('file that holds the HS256 secret'),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('public keys of an identity provider (JWKS); set JWT_ISSUER and JWT_AUDIENCE with it'),
  JWT_ISSUER: z.string().optional().describe('required `iss` of tokens'),
  JWT_AUDIENCE: z.string().optional().describe('required `aud` of tokens'),
  JWT_CLOCK_SKEW_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(300_000)
    .default(0)
    .describe('how far the clocks of whoever issues tokens may be off'),
  JWT_EXPIRY: z
    .enum(['required', 'optional'])
    .default('required')
    .describe('whether tokens must say when they expire (`exp`)'),
  OPENAI_API_KEY: z.string().default('').describe('key of the model server'),
  OPENAI_BASE_URL: z.string().optional().describe('base URL of any OpenAI-compatible model server'),
  TURNGATE_MODEL: z.string().optional().describe("model name; wins over the agent's"),
  TURNGATE_AGENTS_DIR: z.string().default('agents').describe('folder of agent definitions'),
  TURNGATE_LIMITS: z
    .string()
    .optional()
    .describe('file of limits and prices; without one only the steps of a turn are limited'),
  TURNGATE_MCP_CONFIG: z.string().default('mcp.json').describe('MCP servers, in the usual mcpServers form'),
  TURNGATE_POLICY: z
    .string()
    .default('policy.yaml')
    .describe('rules for tool calls: what runs, what is asked about and whom, what is denied'),
  TURNGATE_WEBHOOKS: z
    .string()
    .optional()
    .describe('file that says which webhooks go where; none are sent where not set'),
  WEBHOOK_TIMEOUT_MS: ms
    .max(60_000)
    .default(10_000)
    .describe('a receiver of webhooks that does not answer for this long is asked again later'),
  WEBHOOK_GIVE_UP_MS: ms
    .default(24 * 3_600_000)
    .describe('a webhook that did not get through for this long is given up'),
  WEBHOOK_RETENTION_MS: ms
    .default(7 * 24 * 3_600_000)
    .describe('webhooks that were delivered or given up are removed after this'),
  MODEL_SILENCE_MS: ms.default(60_000).describe('a model that says nothing for this long counts as failed'),
  MODEL_MAX_ATTEMPTS: count.default(6).describe('attempts of one step before the turn fails'),
  TOOL_TIMEOUT_MS: ms.default(300_000).describe('a tool call that takes longer is given up'),
  APPROVAL_TIMEOUT_MS: ms
    .default(7 * 24 * 3_600_000)
    .describe('an approval that nobody gives for this long is rejected as expired'),
  ELICITATION_HOLD_MS: ms
    .default(60_000)
    .describe(
      'a call whose server asks before it acts waits this long for people, then it is let go until they answer',
    ),
  OPERATOR_SIGNALS: z
    .enum(['accept', 'refuse'])
    .default('accept')
    .describe(
      'whether an approval signal without a decision row (Temporal UI, CLI) counts as an operator’s decision',
    ),
  MAX_STEPS: count
    .default(25)
    .describe('steps of one turn before people are asked, where TURNGATE_LIMITS says nothing of it'),
  INVALID_CALLS_MAX: count
    .default(3)
    .describe('calls of a tool in a row with wrong arguments after which a turn goes on without the tool'),
  HISTORY_MESSAGES: count.default(50).describe('messages of history that the model sees'),
  ATTACHMENT_BYTES: count
    .max(100 * 1024 * 1024)
    .default(10 * 1024 * 1024)
    .describe('largest attachment, bytes'),
  ATTACHMENTS_PER_MESSAGE: count.max(32).default(8).describe('attachments of one message'),
  ATTACHMENT_SESSION_BYTES: count
    .default(200 * 1024 * 1024)
    .describe('all attachments of one session together, bytes'),
  ATTACHMENT_UNUSED_MS: ms
    .default(24 * 3_600_000)
    .describe('an attachment that no message takes in this time is removed'),
  ATTACHMENT_MODEL_BYTES: count
    .default(20 * 1024 * 1024)
    .describe('attachments that the model sees in one step together, bytes; the newest first'),
  EVENT_RETENTION_MS: z.coerce
    .number()
    .int()
    .min(0)
    .default(30 * 24 * 3_600_000)
    .describe('events older than this are removed, once their turn has ended; 0 keeps them for ever'),
  STEP_SLOTS: count.default(100).describe('steps that one worker runs at once'),
  TOOL_SLOTS: count.default(50).describe('tool calls that one worker runs at once'),
  PG_POOL_MAX: count
    .default(10)
    .describe('Postgres connections of one process, besides those of the live plane'),
  WORKER_HEALTH_FILE: z
    .string()
    .optional()
    .describe('file that a worker touches every second while it works, for health checks'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('pino log level'),
});
export type Config = z.infer<typeof environment>;

/**
 * Reads the configuration.
 * @param env the environment; an empty value counts as not set
 * @throws Error with every wrong setting, one a line
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(
    `The configuration is not usable:\n${lines.join('\n')}\nSee .env.example for every setting.`,
  );
}
