-- Up Migration

-- What was uploaded into a session. The bytes are behind a port of their own; here is what is known of them.
create table attachments (
  id          text primary key,
  session_id  text not null references sessions on delete cascade,
  user_id     text not null,
  name        text not null,
  media_type  text not null,
  size        integer not null,
  -- The bytes are there: before that nothing may refer to it.
  stored      boolean not null default false,
  -- A message has it: from then on it is kept as long as the session.
  used_at     timestamptz,
  -- Nobody may take it any more; its bytes go first, then this row.
  removing_at timestamptz,
  created_at  timestamptz not null default now()
);
create index attachments_by_session on attachments (session_id);
create index attachments_unused on attachments (created_at) where used_at is null;

-- Where the bytes are when Postgres keeps them.
create table attachment_bytes (
  id    text primary key references attachments on delete cascade,
  bytes bytea not null
);
-- Images are compressed already.
alter table attachment_bytes alter column bytes set storage external;

alter table messages add column attachments jsonb;

-- Down Migration

alter table messages drop column attachments;
drop table attachment_bytes, attachments;
