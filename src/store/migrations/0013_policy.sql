-- Up Migration

-- Every text of the policy file that a worker has decided by, or found broken. Calls name the revision.
create table policy_revisions (
  revision text primary key,
  text text not null,
  -- Why it cannot be used; null where it can.
  fault text,
  first_seen_at timestamptz not null default now(),
  -- Which worker saw it first: host:pid.
  seen_by text not null
);

-- Down Migration

drop table policy_revisions;
