import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { cleanText } from '../protocol/text.ts';
import type { Db } from '../store/db.ts';
import { recordPolicyRevision } from '../store/policy-revisions.ts';
import { remarkText } from '../tools/policy-file.ts';
import { createPolicySource, type PolicySource } from '../tools/policy-source.ts';
import { policyWarnings } from '../tools/policy-warnings.ts';
import { StartFailure } from './dev/start-failure.ts';

export interface PolicyPlace {
  file: string;
  /** Whose tools are meant by patterns without a server's name. */
  defaultServer: string | undefined;
}

/** More are told by `turngate policy check`. */
const WARNINGS_MAX = 10;

/** The policy that a worker decides by: each revision is put on record and logged before its first decision. */
export function policyInForce({ file, defaultServer }: PolicyPlace, db: Db, logger: Logger): PolicySource {
  return createPolicySource({
    file,
    defaultServer,
    async onRevision(loaded, text) {
      const { revision } = loaded;
      const fault = 'fault' in loaded ? loaded.fault : null;
      const seenBy = `${hostname()}:${process.pid}`;
      await recordPolicyRevision(db, { revision, text: cleanText(text), fault, seenBy });
      if ('fault' in loaded) {
        logger.error({ revision, file, fault }, 'the policy cannot be used: every tool call is denied');
        return;
      }
      logger.info(
        { revision, file, default_server: defaultServer },
        'the policy of this revision is in force',
      );
      const warnings = policyWarnings(loaded.policy).slice(0, WARNINGS_MAX);
      for (const warning of warnings) logger.warn({ revision }, remarkText(file, warning));
    },
  });
}

/** @throws StartFailure where the policy file is missing or broken, in words that say what to mend */
export async function requireUsablePolicy(place: PolicyPlace): Promise<void> {
  const policy = await createPolicySource({ ...place, onRevision: async () => undefined }).current();
  if ('policy' in policy) return;
  throw new StartFailure(
    `${policy.fault} No worker starts without the rules for tool calls; mend the file (\`turngate policy check\` looks at it), or set TURNGATE_POLICY to where it is.`,
  );
}
