-- Up Migration

-- What turns have used: a row for each attempt of a step that was answered or failed, and for each tool call that
-- began. It names its session nowhere: what was used stays used when that is deleted.
create table usage (
  turn_id       text not null,
  step          integer not null,
  kind          text not null check (kind in ('step', 'call')),
  -- Of a step which attempt, of a call its place in the step: so nothing is counted twice.
  ordinal       integer not null,
  tenant        text not null,
  user_id       text not null,
  -- Of UTC.
  day           date not null default (now() at time zone 'utc')::date,
  model         text,
  input_tokens  bigint not null default 0,
  output_tokens bigint not null default 0,
  -- The model's server told no usage.
  is_estimate   boolean not null default false,
  -- Null: the model had no price.
  cost          numeric,
  began_at      timestamptz not null default now(),
  -- When it was worked on: without the time in which people were asked. Null of a call that has not ended.
  worked        tstzmultirange,
  primary key (turn_id, step, kind, ordinal)
);
create index usage_by_user on usage (tenant, user_id, day);
create index usage_by_day on usage (day);

-- What people allowed above a limit, in the limit's own unit (milliseconds for times).
create table limit_grants (
  turn_id    text not null,
  -- The key of the question that was accepted.
  key        text not null,
  scope      text not null check (scope in ('turn', 'user_day')),
  name       text not null,
  tenant     text not null,
  user_id    text not null,
  day        date not null,
  more       numeric not null,
  granted_at timestamptz not null default now(),
  primary key (turn_id, key)
);
create index limit_grants_by_user on limit_grants (tenant, user_id, day) where scope = 'user_day';
create index limit_grants_by_day on limit_grants (day);

-- The key of the question about a limit at which the turn stands.
alter table turns add column limit_key text;

-- Down Migration

alter table turns drop column limit_key;
drop table limit_grants, usage;
