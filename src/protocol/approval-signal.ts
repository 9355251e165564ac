/**
 * The `approval` signal on workflow `session:<session_id>`, from the gateway, the Temporal UI or the
 * `temporal` CLI. With `decision_id` the decision is already in the store; without one it is an
 * operator's and is recorded as such before anything acts on it.
 */
export interface ApprovalSignalPayload {
  tool_call_id: string;
  approved: boolean;
  /** At most 2,000 characters. */
  reason?: string | undefined;
  /** What is to run instead of what was asked for. */
  arguments?: Record<string, unknown> | undefined;
  decision_id?: string | undefined;
  /** Which round it is about, as the run's page says; one that is about another is ignored. */
  round?: number | undefined;
  /** One of several approvals that are needed is in the store: whoever shows the gate is to look at it. */
  vote?: true | undefined;
}

/** The `input` signal: the question of that id is answered, says the store. */
export interface InputSignalPayload {
  request_id: string;
}

/** The `cancel` signal: stops that turn; for any other turn it is ignored. */
export interface CancelSignalPayload {
  turn_id: string;
}

export type ParsedSignal<T> = { ok: true; payload: T } | { ok: false; problem: string };

const reasonChars = 2_000;

// Checked by hand: a workflow evaluates all that it imports anew in every run, and zod alone took 7 ms of each turn.

/** Fields that are not named here are dropped. */
export function parseApprovalSignal(input: unknown): ParsedSignal<ApprovalSignalPayload> {
  const fields = fieldsOf(input);
  if (!fields) return refuse('payload', 'an object');
  const { tool_call_id, approved, reason, arguments: args, decision_id, round, vote } = fields;
  if (!isId(tool_call_id)) return refuse('tool_call_id', 'a string that is not empty');
  if (typeof approved !== 'boolean') return refuse('approved', 'true or false');
  if (reason !== undefined && !(typeof reason === 'string' && reason.length <= reasonChars)) {
    return refuse('reason', `a string of at most ${reasonChars} characters`);
  }
  if (decision_id !== undefined && !isId(decision_id)) {
    return refuse('decision_id', 'a string that is not empty');
  }
  if (args !== undefined && !fieldsOf(args)) return refuse('arguments', 'an object');
  if (round !== undefined && !Number.isInteger(round)) return refuse('round', 'a whole number');
  return {
    ok: true,
    payload: {
      tool_call_id,
      approved,
      ...(args === undefined ? {} : { arguments: args as Record<string, unknown> }),
      ...(reason === undefined ? {} : { reason }),
      ...(decision_id === undefined ? {} : { decision_id }),
      ...(round === undefined ? {} : { round: Number(round) }),
      ...(vote === true ? { vote } : {}),
    },
  };
}

export function parseCancelSignal(input: unknown): ParsedSignal<CancelSignalPayload> {
  const fields = fieldsOf(input);
  if (!fields) return refuse('payload', 'an object');
  const { turn_id } = fields;
  return isId(turn_id) ? { ok: true, payload: { turn_id } } : refuse('turn_id', 'a string that is not empty');
}

export function parseInputSignal(input: unknown): ParsedSignal<InputSignalPayload> {
  const fields = fieldsOf(input);
  if (!fields) return refuse('payload', 'an object');
  const { request_id } = fields;
  return isId(request_id)
    ? { ok: true, payload: { request_id } }
    : refuse('request_id', 'a string that is not empty');
}

function fieldsOf(input: unknown): Record<string, unknown> | null {
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  return isObject ? (input as Record<string, unknown>) : null;
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function refuse(field: string, wanted: string): { ok: false; problem: string } {
  return { ok: false, problem: `${field}: must be ${wanted}` };
}
