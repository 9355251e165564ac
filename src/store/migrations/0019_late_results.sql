-- Up Migration

-- `asking`: the call was sent and its result was lost; a person is asked what became of it.
alter table tool_calls drop constraint tool_calls_status_check;
alter table tool_calls add constraint tool_calls_status_check check (status in
  ('waiting', 'ready', 'running', 'asking',
   'completed', 'failed', 'rejected', 'denied', 'cancelled', 'unknown'));

-- What an attempt brought after it had been given up: evidence, which changes nothing.
create table late_results (
  id           text primary key,
  tool_call_id text not null references tool_calls on delete cascade,
  attempt      integer not null,
  status       text not null check (status in ('completed', 'failed', 'unknown')),
  result       jsonb,
  error        jsonb,
  came_at      timestamptz not null default now(),
  unique (tool_call_id, attempt)
);

-- Down Migration

drop table late_results;
update tool_calls set status = 'unknown' where status = 'asking';
alter table tool_calls drop constraint tool_calls_status_check;
alter table tool_calls add constraint tool_calls_status_check check (status in
  ('waiting', 'ready', 'running', 'completed', 'failed', 'rejected', 'denied', 'cancelled', 'unknown'));
