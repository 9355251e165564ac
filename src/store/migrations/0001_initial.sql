-- Up Migration

create table sessions (
  id            text primary key,
  tenant        text not null,
  title         text not null,
  agent         text not null,
  state         text not null default 'active' check (state in ('active', 'suspended', 'closed')),
  config        jsonb not null default '{}',
  -- The row lock behind these two counters makes commit order and number order the same.
  last_seq      bigint not null default 0,
  last_position bigint not null default 0,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);

create table participants (
  session_id text not null references sessions on delete cascade,
  user_id    text not null,
  role       text not null check (role in ('owner', 'member', 'approver', 'viewer')),
  primary key (session_id, user_id)
);
create index participants_by_user on participants (user_id, session_id desc);

-- The queue of turns.
create table turns (
  id                  text primary key,
  session_id          text not null references sessions on delete cascade,
  position            bigint not null,
  user_id             text not null,
  status              text not null default 'queued'
                      check (status in ('queued', 'running', 'completed', 'failed', 'cancelled')),
  run_id              text unique,
  -- What the first ack said: a resend gets the same.
  disposition         text not null check (disposition in ('started', 'queued')),
  error               jsonb,
  cancel_requested_by text,
  cancel_requested_at timestamptz,
  -- When the reconciler looks at this row again, and how long it waits after that.
  next_check_at       timestamptz not null default now() + interval '2 seconds',
  check_delay_ms      integer not null default 2000,
  cancel_check_at     timestamptz,
  cancel_delay_ms     integer not null default 2000,
  created_at          timestamptz not null default now(),
  started_at          timestamptz,
  ended_at            timestamptz,
  unique (session_id, position)
);
create unique index turns_one_running on turns (session_id) where status = 'running';
create index turns_open on turns (next_check_at) where status in ('queued', 'running');
create index turns_cancelling on turns (cancel_check_at) where status = 'running' and cancel_requested_at is not null;

create table messages (
  id                text primary key,
  session_id        text not null references sessions on delete cascade,
  turn_id           text not null references turns on delete cascade,
  -- The turn's position, so that history is one index range.
  position          bigint not null,
  -- Order inside the turn: the user's message is step 0; a step's assistant message is ordinal 0,
  -- its tool messages are 1 and up.
  step              integer not null,
  ordinal           integer not null,
  role              text not null check (role in ('user', 'assistant', 'tool')),
  content           text not null,
  thought           text,
  tool_call_id      text,
  user_id           text,
  client_message_id text,
  created_at        timestamptz not null default now(),
  unique (session_id, position, step, ordinal),
  unique (session_id, user_id, client_message_id)
);

create table steps (
  turn_id    text not null references turns on delete cascade,
  step       integer not null,
  message_id text not null,
  attempt    integer not null default 0,
  -- What the closing transaction answered the workflow: a completion lost on the way doubles nothing.
  result     jsonb,
  usage      jsonb,
  primary key (turn_id, step)
);

-- The ledger: one row a tool call, from asked-for to result.
create table tool_calls (
  id             text primary key,
  session_id     text not null references sessions on delete cascade,
  turn_id        text not null references turns on delete cascade,
  step           integer not null,
  ordinal        integer not null,
  message_id     text not null,
  model_call_id  text not null,
  tool           text not null,
  arguments      jsonb not null,
  arguments_hash text not null,
  gate           text not null check (gate in ('allow', 'ask', 'deny')),
  rule           text not null,
  reason         text not null,
  -- Known as read-only or idempotent: may be called again after a lost result.
  repeatable     boolean not null,
  timeout_ms     bigint not null,
  expires_at     timestamptz,
  status         text not null check (status in
                 ('waiting', 'ready', 'running', 'completed', 'failed', 'rejected', 'denied', 'cancelled', 'unknown')),
  attempt        integer not null default 0,
  lease_until    timestamptz,
  result         jsonb,
  error          jsonb,
  created_at     timestamptz not null default now(),
  ended_at       timestamptz,
  unique (turn_id, step, ordinal)
);
create index tool_calls_by_message on tool_calls (message_id);
create index tool_calls_waiting on tool_calls (session_id) where status = 'waiting';

-- One deciding row for each call and exact arguments: the first stands.
create table decisions (
  id             text primary key,
  tool_call_id   text not null references tool_calls on delete cascade,
  turn_id        text not null references turns on delete cascade,
  arguments_hash text not null,
  decision       text not null check (decision in ('approved', 'rejected', 'expired', 'withdrawn')),
  decided_by     text not null,
  via            text not null,
  reason         text,
  decided_at     timestamptz not null default now(),
  -- Set when the turn has acted on it; until then the reconciler signals again.
  acted_at       timestamptz,
  next_check_at  timestamptz not null default now() + interval '2 seconds',
  check_delay_ms integer not null default 2000,
  unique (tool_call_id, arguments_hash)
);
create index decisions_by_turn on decisions (turn_id);
create index decisions_unacted on decisions (next_check_at) where acted_at is null;

create table events (
  session_id text not null references sessions on delete cascade,
  seq        bigint not null,
  event_key  text not null,
  type       text not null,
  turn_id    text,
  body       jsonb not null,
  ts         timestamptz not null default now(),
  primary key (session_id, seq),
  unique (session_id, event_key)
);

-- Signals that could not be understood: kept for whoever asks why nothing happened.
create table rejected_signals (
  id         text primary key,
  session_id text not null references sessions on delete cascade,
  turn_id    text not null references turns on delete cascade,
  signal     text not null,
  problem    text not null,
  payload    text not null,
  created_at timestamptz not null default now()
);

-- The text of streams under way. Unlogged: a crash of Postgres empties it, and the next write brings
-- the full text back.
create unlogged table drafts (
  message_id text primary key,
  session_id text not null,
  attempt    integer not null,
  content    text not null,
  thought    text not null,
  updated_at timestamptz not null default now()
);

-- Down Migration

drop table drafts, rejected_signals, events, decisions, tool_calls, steps, messages, turns, participants, sessions;
