-- Up Migration

-- Why a turn is to stop: `interrupt` and `rollback` come with a message of their own.
alter table turns add column cancel_kind text check (cancel_kind in ('cancel', 'interrupt', 'rollback'));
-- How many steps the turn may have, as the worker that claimed it says: no message is steered into the last one.
alter table turns add column max_steps integer;
alter table turns drop constraint turns_disposition_check;
alter table turns add constraint turns_disposition_check check (disposition in ('started', 'queued', 'interrupted'));

-- Given to a turn that was already running; it has no turn of its own.
alter table messages add column steered boolean not null default false;
-- Taken back by a rollback: hidden, not deleted, so that the same message sent again is still known.
alter table messages add column removed_at timestamptz;
alter table messages add column finish_reason text;

-- Attempts that the model failed, apart from those that a dying worker took with it.
alter table steps add column failures integer not null default 0;
alter table steps add column model text;
alter table steps add column first_token_ms integer;

-- Down Migration

alter table steps drop column first_token_ms, drop column model, drop column failures;
alter table messages drop column finish_reason, drop column removed_at, drop column steered;
update turns set disposition = 'queued' where disposition = 'interrupted';
alter table turns drop constraint turns_disposition_check;
alter table turns add constraint turns_disposition_check check (disposition in ('started', 'queued'));
alter table turns drop column max_steps, drop column cancel_kind;
