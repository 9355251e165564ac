-- Up Migration

-- The attempt of a call that stands at this question, where its server does nothing before it has the answer.
alter table input_requests add column standing_attempt integer;
create index input_requests_by_call on input_requests (tool_call_id) where tool_call_id is not null;

-- Down Migration

drop index input_requests_by_call;
alter table input_requests drop column standing_attempt;
