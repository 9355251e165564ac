-- Up Migration

-- What the file of the deployment names, so that whoever writes an event knows who wants to hear of it. Secrets, and
-- addresses with their references filled in, are never here.
create table webhook_endpoints (
  name            text primary key,
  url             text not null,
  -- Types of events as they are stored, such as turn_end.
  event_types     text[] not null,
  -- null: of every tenant.
  tenants         text[],
  -- The receiver said that it is gone for good (410).
  disabled_at     timestamptz,
  -- It asked to be left alone until then (Retry-After).
  paused_until    timestamptz,
  -- When a worker last said that its file names it; and since when none does.
  seen_at         timestamptz not null default now(),
  removed_at      timestamptz
);

-- One message to one endpoint. `id` is its webhook-id; `payload` the body, byte for byte the same in every attempt.
-- No foreign keys: it outlives its session and its endpoint.
create table webhook_deliveries (
  id              text primary key,
  endpoint        text not null,
  tenant          text not null,
  session_id      text not null,
  seq             bigint not null,
  type            text not null,
  payload         text not null,
  status          text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
  attempts        int not null default 0,
  -- Of these, before somebody asked to send it again.
  attempts_before int not null default 0,
  created_at      timestamptz not null default now(),
  -- Since when it is tried: written, or sent again.
  due_since       timestamptz not null default now(),
  -- While an attempt is under way: when its lease lapses.
  next_attempt_at timestamptz not null default now(),
  last_attempt_at timestamptz,
  finished_at     timestamptz,
  last_status     int,
  last_error      text
);
create index webhook_deliveries_due on webhook_deliveries (endpoint, next_attempt_at) where status = 'pending';
create index webhook_deliveries_in_session on webhook_deliveries (endpoint, session_id, seq) where status = 'pending';
create index webhook_deliveries_of_tenant on webhook_deliveries (tenant, id);
create index webhook_deliveries_open on webhook_deliveries (tenant, status, id) where status <> 'delivered';
create index webhook_deliveries_finished on webhook_deliveries (finished_at) where status <> 'pending';
create index webhook_deliveries_of_session on webhook_deliveries (session_id);

-- Down Migration

drop table webhook_deliveries, webhook_endpoints;
