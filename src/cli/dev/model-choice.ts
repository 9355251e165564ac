/** Which model the worker talks to. */
export interface ModelChoice {
  demo: boolean;
  /** Short name for programs: `demo` or the model's. */
  name: string;
  /** A line for people. */
  description: string;
  env: Record<string, string>;
}

/** Any word: the demo model asks for none, but the OpenAI client insists on one. */
const demoKey = 'demo';

/** A real model where there is a key for it, else the demo model on this port. */
export function chooseModel(env: NodeJS.ProcessEnv, demoUrl: string): ModelChoice {
  if (!env.OPENAI_API_KEY) {
    return {
      demo: true,
      name: 'demo',
      description:
        'demo model (set OPENAI_API_KEY, and OPENAI_BASE_URL and TURNGATE_MODEL as needed, for a real one)',
      env: { OPENAI_API_KEY: demoKey, OPENAI_BASE_URL: demoUrl },
    };
  }
  const name = env.TURNGATE_MODEL || "the agent's model";
  return { demo: false, name, description: `${name} at ${env.OPENAI_BASE_URL || 'OpenAI'}`, env: {} };
}
