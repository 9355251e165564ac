-- Up Migration

-- What a tool was when somebody was asked about it: an approval is for exactly this.
create table tool_definitions (
  hash         text primary key,
  name         text not null,
  server       text not null,
  description  text not null,
  input_schema jsonb not null,
  seen_at      timestamptz not null default now()
);

alter table tool_calls
  add column tool_hash          text,
  -- The rule's terms (GateTerms) and a hash of those that matter to who has to decide.
  add column terms              jsonb,
  add column terms_hash         text,
  add column policy_revision    text,
  -- Counts how often it was asked about, and within that how often it was escalated.
  add column round              integer not null default 1,
  add column level              integer not null default 0,
  add column reminded           integer not null default 0,
  add column remind_at          timestamptz,
  -- What the model asked for, where a person changed it.
  add column proposed_arguments jsonb,
  add column edited_by          text,
  -- The remembered approval that it runs under.
  add column grant_id           text;

alter table decisions
  add column round      integer not null default 1,
  -- Of what the person was shown; arguments_hash is of what runs.
  add column shown_hash text,
  add column tool_hash  text,
  add column terms_hash text,
  add column address    text,
  drop constraint decisions_tool_call_id_arguments_hash_key,
  add unique (tool_call_id, round);

-- Approvals of gates that need several.
create table votes (
  tool_call_id   text not null references tool_calls on delete cascade,
  round          integer not null,
  user_id        text not null,
  arguments_hash text not null,
  via            text not null,
  address        text,
  voted_at       timestamptz not null default now(),
  primary key (tool_call_id, round, user_id)
);

-- Approvals that are remembered: for this tool as it was, under this policy as it was.
create table grants (
  id              text primary key,
  tenant          text not null,
  scope           text not null check (scope in ('session', 'always')),
  session_id      text not null references sessions on delete cascade,
  -- Whose calls.
  for_user        text not null,
  granted_by      text not null,
  tool            text not null,
  tool_hash       text not null,
  rule            text not null,
  terms_hash      text not null,
  policy_revision text not null,
  tool_call_id    text not null,
  granted_at      timestamptz not null default now(),
  revoked_at      timestamptz,
  revoked_by      text
);
create index grants_standing on grants (tenant, for_user, tool_hash) where revoked_at is null;
create index grants_by_giver on grants (tenant, granted_by, id desc);

-- Who did what, when, from where: written once, changed never. It goes with its session.
create table approval_audit (
  id           text primary key,
  at           timestamptz not null default now(),
  session_id   text not null,
  tool_call_id text not null,
  actor        text not null,
  via          text not null,
  address      text,
  action       text not null,
  body         jsonb not null
);
create index approval_audit_by_call on approval_audit (tool_call_id, id);
create index approval_audit_by_session on approval_audit (session_id);

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and exists (select from sessions where id = old.session_id and deleted_at is null) then
    raise exception 'The audit of approvals is kept as long as its session.';
  end if;
  if tg_op = 'UPDATE' then
    raise exception 'The audit of approvals is written once.';
  end if;
  return old;
end $$;
create trigger approval_audit_stands before update or delete on approval_audit
  for each row execute function refuse_audit_change();

-- Down Migration

drop table approval_audit, grants, votes, tool_definitions;
drop function refuse_audit_change;
alter table decisions
  drop constraint decisions_tool_call_id_round_key,
  drop column round, drop column shown_hash, drop column tool_hash, drop column terms_hash, drop column address,
  add unique (tool_call_id, arguments_hash);
alter table tool_calls
  drop column tool_hash, drop column terms, drop column terms_hash, drop column policy_revision, drop column round,
  drop column level, drop column reminded, drop column remind_at, drop column proposed_arguments,
  drop column edited_by, drop column grant_id;
