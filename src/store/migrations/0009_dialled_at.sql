-- Up Migration

-- When the client dialled, by its own clock: of two connections of a device the later one counts, in whatever order
-- they come to be registered.
alter table connections add column dialled_at bigint;

-- Down Migration

alter table connections drop column dialled_at;
