-- Up Migration

-- Who may see the event; null: every participant of its session.
alter table events add column audience text[];

-- The oldest event that is still kept; those before it were removed after the retention time.
alter table sessions add column first_seq bigint not null default 1;

-- How far each named device of a user has received a session, as it says itself.
create table receipts (
  session_id text not null references sessions on delete cascade,
  user_id    text not null,
  device     text not null,
  seq        bigint not null,
  at         timestamptz not null default now(),
  primary key (session_id, user_id, device)
);

-- Down Migration

drop table receipts;
alter table sessions drop column first_seq;
alter table events drop column audience;
