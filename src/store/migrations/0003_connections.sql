-- Up Migration

-- Gateway processes that run; one that has not been seen for some seconds is dead, and so are its connections.
create table gateways (
  id      text primary key,
  seen_at timestamptz not null default now()
);

create sequence connection_epochs;

-- Who is connected, on whichever gateway.
create table connections (
  connection_id       text primary key,
  -- null for connections that belong to no session, such as the feed.
  session_id          text,
  tenant              text not null,
  user_id             text not null,
  -- The client's name for itself; the connection's own id where it has none, '' where a user may have but one.
  device              text not null,
  -- Grows with each connection that takes the place: the newest is the one that counts.
  epoch               bigint not null,
  gateway_id          text not null,
  token_id            text,
  -- Whose place it took, for the statement that takes it.
  replaced_id         text,
  replaced_gateway_id text,
  connected_at        timestamptz not null default now()
);
create unique index connections_by_device on connections (session_id, user_id, device)
  where session_id is not null;
create index connections_by_user on connections (tenant, user_id);
create index connections_by_gateway on connections (gateway_id);
create index connections_by_token on connections (tenant, token_id) where token_id is not null;

-- Connections that their gateway is to close. Anybody may ask; the gateway takes the row when it closes.
create table closures (
  gateway_id    text not null,
  connection_id text not null,
  -- A name of src/protocol/close-codes.ts.
  reason        text not null,
  at            timestamptz not null default now()
);
create index closures_by_gateway on closures (gateway_id);

-- Sessions that somebody left: at `due_at` it is looked whether anybody is there.
create table vacancies (
  session_id text primary key,
  due_at     timestamptz not null
);
create index vacancies_by_due on vacancies (due_at);

-- Down Migration

drop table vacancies, closures, connections, gateways;
drop sequence connection_epochs;
