-- Up Migration

-- What was decided is written once; what may change is how far the turn is with it. A decision goes with its call.
create function refuse_decision_change() returns trigger language plpgsql as $$
begin
  if to_jsonb(old) - '{acted_at,next_check_at,check_delay_ms}'::text[]
     is distinct from to_jsonb(new) - '{acted_at,next_check_at,check_delay_ms}'::text[] then
    raise exception 'A decision is written once.';
  end if;
  return new;
end $$;
create trigger decisions_stand before update on decisions
  for each row execute function refuse_decision_change();

create function refuse_truncate() returns trigger language plpgsql as $$
begin
  raise exception 'The table % is kept as it is; its rows go with their sessions.', tg_table_name;
end $$;
create trigger decisions_stay before truncate on decisions for each statement execute function refuse_truncate();
create trigger approval_audit_stays before truncate on approval_audit
  for each statement execute function refuse_truncate();

-- Down Migration

drop trigger approval_audit_stays on approval_audit;
drop trigger decisions_stay on decisions;
drop trigger decisions_stand on decisions;
drop function refuse_truncate;
drop function refuse_decision_change;
