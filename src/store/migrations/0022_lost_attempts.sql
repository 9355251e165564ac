-- Up Migration

-- A trusted server calls its tool read-only: a call of it that came to nothing had no effect.
alter table tool_calls add column read_only boolean not null default false;
-- An attempt of it was sent and lost, and it was sent again.
alter table tool_calls add column was_lost boolean not null default false;
-- The attempt that was begun last and could not be sent.
alter table tool_calls add column unsent_attempt integer;
update tool_calls c set was_lost = true
  where c.attempt > 1 and c.status in ('waiting', 'ready', 'running', 'asking') and exists
    (select 1 from input_requests q where q.tool_call_id = c.id and q.kind = 'unknown_outcome');

-- Down Migration

alter table tool_calls drop column unsent_attempt;
alter table tool_calls drop column was_lost;
alter table tool_calls drop column read_only;
