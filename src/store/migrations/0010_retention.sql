-- Up Migration

-- When the session's oldest events are looked at again, whether they are to be removed.
alter table sessions add column retention_at timestamptz not null default now();
create index sessions_retention on sessions (retention_at);

-- Down Migration

drop index sessions_retention;
alter table sessions drop column retention_at;
