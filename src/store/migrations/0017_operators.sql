-- Up Migration
-- A signal may come before its run has a turn, or where no turn waits: it is recorded all the same.
alter table rejected_signals alter column turn_id drop not null;

-- Down Migration
delete from rejected_signals where turn_id is null;
alter table rejected_signals alter column turn_id set not null;
