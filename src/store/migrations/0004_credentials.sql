-- Up Migration

alter table sessions
  -- What its maker calls it: the same key makes no second session. `default` is the one that every user has.
  add column made_by    text,
  add column client_key text,
  -- Gone for everybody at once; the rows go when nothing runs any more.
  add column deleted_at timestamptz;
create unique index sessions_by_client_key on sessions (tenant, made_by, client_key)
  where client_key is not null and deleted_at is null;
create index sessions_deleted on sessions (deleted_at) where deleted_at is not null;

-- One-use WebSocket tickets; only their hash is kept.
create table tickets (
  hash       bytea primary key,
  -- Who they let in, as the token said that asked for them.
  identity   jsonb not null,
  session_id text,
  expires_at timestamptz not null
);
create index tickets_by_expiry on tickets (expires_at);

create table revoked_tokens (
  tenant     text not null,
  token_id   text not null,
  revoked_by text not null,
  -- When the token would have expired anyway; null: never, so the row stays.
  expires_at timestamptz,
  primary key (tenant, token_id)
);
create index revoked_tokens_by_expiry on revoked_tokens (expires_at);

-- All tokens of a user that were issued before.
create table revoked_users (
  tenant        text not null,
  user_id       text not null,
  issued_before timestamptz not null,
  revoked_by    text not null,
  primary key (tenant, user_id)
);

-- Down Migration

drop table revoked_users, revoked_tokens, tickets;
drop index sessions_deleted, sessions_by_client_key;
alter table sessions drop column deleted_at, drop column client_key, drop column made_by;
