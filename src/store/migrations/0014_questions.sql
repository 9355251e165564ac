-- Up Migration

-- What people are asked besides approvals. Open while `action` is null; the first valid answer stands.
create table input_requests (
  id             text primary key,
  session_id     text not null references sessions on delete cascade,
  turn_id        text not null references turns on delete cascade,
  tool_call_id   text references tool_calls on delete cascade,
  kind           text not null check (kind in ('elicitation', 'limit', 'unknown_outcome')),
  -- Whoever asks the same again finds this row, and its answer.
  key            text not null,
  message        text not null,
  schema         jsonb not null,
  asked_at       timestamptz not null default now(),
  expires_at     timestamptz not null,
  action         text check (action in ('accept', 'decline', 'cancel')),
  content        jsonb,
  answered_by    text,
  via            text,
  answered_at    timestamptz,
  -- Set when whoever asked has seen the answer; until then the reconciler signals again.
  acted_at       timestamptz,
  next_check_at  timestamptz,
  check_delay_ms integer not null default 2000,
  unique (turn_id, key)
);
create index input_requests_by_session on input_requests (session_id, id desc);
create index input_requests_open on input_requests (expires_at) where action is null;
create index input_requests_unacted on input_requests (next_check_at) where action is not null and acted_at is null;

-- Down Migration

drop table input_requests;
