-- Up Migration

-- Where a user's feed is: its row lock makes commit order and number order the same, as a session's does.
create table feeds (
  tenant   text not null,
  user_id  text not null,
  last_seq bigint not null default 0,
  primary key (tenant, user_id)
);

-- What a feed tells, by reference: the event is read with it, as long as the user takes part in its session.
-- `session_seq` 0 is the session's beginning. No foreign key: an item outlives its session.
create table feed_items (
  tenant      text not null,
  user_id     text not null,
  seq         bigint not null,
  session_id  text not null,
  session_seq bigint not null,
  ts          timestamptz not null default now(),
  primary key (tenant, user_id, seq)
);
create index feed_items_by_age on feed_items (ts);

-- A user's approvals, newest first, also long after their runs.
create index tool_calls_asked on tool_calls (session_id, id) where gate = 'ask';

-- Down Migration

drop index tool_calls_asked;
drop table feed_items, feeds;
